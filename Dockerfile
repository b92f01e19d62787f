# CPU:  docker build --target cpu -t streamwarden .
# GPU:  docker build --target gpu -t streamwarden:gpu .   (run with --gpus all; the CUDA libraries come as wheels)
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/streamwarden \
    && /opt/streamwarden/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY scanner ./scanner
COPY workers ./workers
COPY models ./models
RUN /opt/streamwarden/bin/pip install --no-deps .

FROM build AS build-gpu
RUN /opt/streamwarden/bin/pip install ".[cuda]"

FROM ${PYTHON_IMAGE} AS runtime
RUN useradd --create-home --uid 10001 warden
ENV PATH=/opt/streamwarden/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /work
# A new volume has the owner that its folder has in the image.
RUN install --directory --owner warden --group warden --mode 0700 /var/lib/streamwarden \
    && chown warden:warden /work
USER 10001
ENTRYPOINT ["streamwarden"]
CMD ["--help"]

FROM runtime AS gpu
COPY --from=build-gpu /opt/streamwarden /opt/streamwarden

FROM runtime AS cpu
COPY --from=build /opt/streamwarden /opt/streamwarden
