from scanner.sandbox.child import main

if __name__ == "__main__":
    main()
