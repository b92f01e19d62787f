from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.scoring.manifest import Manifest
from scanner.scoring.options import BurstSelection
from scanner.settings.policies import burst_selection, compose_policies, policy_hash
from scanner.settings.sections import Settings, read_settings, unknown_variables
from scanner.types import Label, Medium

GUN = Label("gun")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    return path


def manifest(**policy: object) -> Manifest:
    return Manifest.model_validate(
        {
            "name": "m",
            "version": "1",
            "file": "m.onnx",
            "sha256": "0" * 64,
            "opset": 17,
            "input": {"name": "x", "width": 224, "height": 224},
            "outputs": [{"name": "y", "kind": "label", "labels": ["gun"], "activation": "sigmoid"}],
            "labels": {"gun": {"training_prior": 0.2, "policy": policy}},
            "licence": "Apache-2.0",
            "origin": "here",
            "training_data": "none",
        }
    )


def test_the_defaults_are_complete() -> None:
    settings = read_settings()

    assert settings.sampling.strategy == "adaptive"
    assert settings.window == 10


def test_decimal_seconds_are_exact(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, "[sampling]\nmax_gap = 0.7\n"))

    assert settings.sampling.max_gap == Fraction(7, 10)


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SAMPLING__STRATEGY", "keyframes")

    assert (
        read_settings(written(tmp_path, '[sampling]\nstrategy = "every"\n')).sampling.strategy
        == "keyframes"
    )


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_SAMPLING__STRATEGY", "keyframes")
    monkeypatch.setenv("STREAMWARDEN_SAMPLING__MIN_GAP", "0.25")

    sampling = read_settings(flags={"sampling": {"strategy": "every"}}).sampling

    assert (sampling.strategy, sampling.min_gap) == ("every", Fraction(1, 4))


def test_an_invalid_flag_is_reported_in_one_line() -> None:
    with pytest.raises(SetupError) as error:
        read_settings(flags={"sampling": {"strategy": "sometimes"}})

    assert "sampling.strategy: Input should be" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_variable_of_an_unknown_section_is_an_error_and_other_programs_variables_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "STREAMWARDEN_PORT_8080_TCP", "tcp://10.0.0.1:8080"
    )  # Kubernetes, of a service called streamwarden
    read_settings()
    monkeypatch.setenv("STREAMWARDEN_SAMPLIN__STRATEGY", "every")

    with pytest.raises(
        SetupError,
        match=r"STREAMWARDEN_SAMPLIN__STRATEGY: no such section .*; did you mean sampling",
    ):
        read_settings()


def test_settings_created_in_code_do_not_read_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SAMPLING__STRATEGY", "keyframes")

    assert Settings().sampling.strategy == "adaptive"


def test_settings_can_be_pickled() -> None:
    settings = Settings(policy={"gun": {"open": 4.0}})

    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sampling]\nmax_gapp = 1\n", "sampling.max_gapp: no such setting; did you mean max_gap?"),
        ("[sampel]\n", "sampel: no such setting"),
        ('[sampling]\nstrategy = "all"\n', "sampling.strategy: Input should be 'adaptive'"),
        (
            "[models]\nthreads = 0\n",
            "models.threads: Input should be greater than or equal to 1, got 0",
        ),
        ("sampling = [", "settings.toml"),
    ],
)
def test_an_invalid_setting_is_reported_with_its_full_path(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SetupError) as error:
        read_settings(written(tmp_path, text))

    assert message in str(error.value)
    assert "settings.toml" in str(error.value)


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8I-_ZIo2LaLaSw", "whsec_too-short"])
def test_a_webhook_secret_that_is_no_base64_is_an_error_that_does_not_show_it(
    tmp_path: Path, secret: str
) -> None:
    text = f'[service.webhooks.hook]\nurl = "https://hook.example/"\nsecret = "{secret}"\n'

    with pytest.raises(SetupError, match=r"service\.webhooks\.hook\.secret: ") as error:
        read_settings(written(tmp_path, text))

    assert secret not in str(error.value)


def test_a_missing_settings_file_is_reported() -> None:
    with pytest.raises(SetupError, match=r"nowhere\.toml"):
        read_settings(Path("nowhere.toml"))


def test_a_models_recommendation_applies_unless_the_operator_overrides_it() -> None:
    policies = compose_policies(Settings(), [manifest(level=4.5, when=["camera"], shadow=True)])

    policy = policies.labels[GUN]
    assert (policy.open, policy.when, policy.shadow, policy.training_prior) == (
        4.5,
        frozenset({Medium.CAMERA}),
        True,
        0.2,
    )


def test_a_model_may_recommend_a_method_and_a_fitted_risk() -> None:
    policy = compose_policies(
        Settings(), [manifest(method="k_of_n", tuning={"k": 2, "n": 4}, window=8, a=0.8, b=-0.5)]
    ).labels[GUN]

    assert (policy.method, policy.tuning, policy.window, policy.a, policy.b, policy.fitted) == (
        "k_of_n",
        {"k": 2, "n": 4},
        8,
        0.8,
        -0.5,
        True,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (True, False)),
        ({"shadow": True}, (True, True)),
        ({"shadow": False}, (False, False)),
        ({"shadow": True, "still_shadow": False}, (True, False)),
    ],
)
def test_an_operators_shadow_is_for_still_pictures_too(
    changes: dict[str, bool], expected: tuple[bool, bool]
) -> None:
    recommended = [manifest(shadow=True, still_shadow=False)]

    policy = compose_policies(Settings(policy={"gun": changes}), recommended).labels[GUN]

    assert (policy.shadow, policy.is_still_shadow) == expected


def test_tuning_for_one_method_is_not_used_for_another() -> None:
    settings = Settings(policy={"gun": {"method": "median"}})

    assert (
        compose_policies(settings, [manifest(method="k_of_n", tuning={"k": 2})]).labels[GUN].tuning
        == {}
    )


def test_the_operators_policy_overrides_and_a_narrower_name_overrides_a_wider_one() -> None:
    changes = {
        "default": {"open": 1.0, "window": 20},
        "Weapons": {"open": 2.0, "severity": 1},
        "gun": {"open": 3.0},
    }

    policy = compose_policies(Settings(policy=changes), [manifest(level=4.5)]).labels[GUN]

    assert (policy.open, policy.severity, policy.window) == (3.0, 1, 20)


def test_one_sample_of_the_test_card_opens_an_incident() -> None:
    policy = compose_policies(Settings(), []).labels[Label("test_card")]

    assert policy.dwell == 0
    assert not policy.shadow


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gun": {"opem": 3}}, "policy.gun.opem: no such setting; did you mean open?"),
        ({"gun": {"severity": 9}}, "severity must be 0 to 3, got 9"),
        ({"guns": {}}, "'guns' is not in the taxonomy; did you mean 'gun'?"),
        ({"gun": {"when": ["telly"]}}, "policy.gun.when"),
    ],
)
def test_an_invalid_policy_is_reported_with_its_label(
    changes: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(SetupError) as error:
        compose_policies(Settings(policy=changes), [manifest()])

    assert message in str(error.value)


def test_equal_policies_have_equal_hashes_and_others_do_not() -> None:
    one = compose_policies(Settings(), [manifest()])
    same = compose_policies(Settings(policy={"gun": {"open": one.labels[GUN].open}}), [manifest()])
    other = compose_policies(Settings(policy={"gun": {"open": 9}}), [manifest()])

    assert policy_hash(one) == policy_hash(same) != policy_hash(other)


def test_a_model_that_has_a_label_live_leads_one_in_shadow() -> None:
    shadow, live = manifest(level=9.0, shadow=True), manifest(level=4.5)

    for both in ([shadow, live], [live, shadow]):
        policy = compose_policies(Settings(), both).labels[Label("gun")]
        assert (policy.open, policy.shadow) == (4.5, False)
    assert compose_policies(Settings(), [shadow, shadow]).labels[Label("gun")].shadow


def test_a_model_that_delivers_still_pictures_of_a_label_leads_one_in_shadow() -> None:
    shadow = manifest(level=9.0, shadow=True)
    stills = manifest(level=4.5, shadow=True, still_shadow=False)

    policy = compose_policies(Settings(), [shadow, stills]).labels[GUN]

    assert (policy.open, shadow.shadow, stills.shadow) == (4.5, {GUN}, frozenset())


def test_bursts_above_accepts_any_name_of_a_label(tmp_path: Path) -> None:
    settings = read_settings(
        written(tmp_path, "[bursts]\nbase_rate = 0.5\nabove = { weapons = 0.25, gun = 0.5 }\n")
    )

    selection = burst_selection(settings)

    assert selection.base_rate == 0.5
    assert selection.above is not None
    assert (selection.above[Label("gun")], selection.above[Label("blade_in_hand")]) == (0.5, 0.25)
    assert burst_selection(Settings()) == BurstSelection()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base_rate = 2", "bursts"),
        ("base_rat = 0.5", "bursts.base_rat"),
        ("above = { fihgt = 0.5 }", "fihgt"),
        ("above = { fight = 2 }", "fight"),
    ],
)
def test_an_invalid_burst_setting_is_reported(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=message):
        burst_selection(read_settings(written(tmp_path, f"[bursts]\n{text}\n")))


def test_an_error_names_the_source_that_has_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[sampling]\nmax_gap = 'x'\n")
    with pytest.raises(SetupError, match=r"^\S+mine\.toml: sampling\.max_gap: "):
        read_settings(file)

    file.write_text("[sampling]\nmax_gap = 1\n")
    monkeypatch.setenv("STREAMWARDEN_SAMPLING__MAX_GAP", "x")
    with pytest.raises(SetupError, match=r"^STREAMWARDEN_SAMPLING__MAX_GAP: sampling\.max_gap: "):
        read_settings(file)

    with pytest.raises(SetupError, match=r"^command line: sampling\.max_gap: "):
        read_settings(file, {"sampling": {"max_gap": "y"}})


def test_an_invalid_policy_is_reported_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.toml"
    for text, message in {
        "[policy.nolabel]\nopen = 1\n": "label 'nolabel' is not in the taxonomy",
        "[policy.test_card]\nmethod = 'zzz'\n": "policy.test_card: method must be one of",
        "[policy.test_card]\ntuning = { foo = 1 }\n": "method dwell has no tuning foo",
    }.items():
        file.write_text(text)
        with pytest.raises(SetupError) as caught:
            compose_policies(read_settings(file), ())
        assert str(caught.value).startswith(f"{file}: ")
        assert message in str(caught.value)

    monkeypatch.setenv("STREAMWARDEN_POLICY", '{"test_card": {"method": "zzz"}}')
    with pytest.raises(SetupError, match=r"^STREAMWARDEN_POLICY: "):
        compose_policies(read_settings(), ())


def test_a_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_POLICY", "{gun")

    with pytest.raises(SetupError, match=r"^STREAMWARDEN_POLICY: not JSON"):
        read_settings()


def test_variables_that_are_no_setting_are_told_apart_from_those_of_kubernetes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        "STREAMWARDEN_MAXGAP",
        "STREAMWARDEN_WINDOW",
        "STREAMWARDEN_API_KEY",
        "STREAMWARDEN_SERVICE_HOST",
        "STREAMWARDEN_PORT_8080_TCP_ADDR",
        "STREAMWARDEN_SAMPLING__MAX_GAP",
    ):
        monkeypatch.setenv(name, "1")

    (message,) = unknown_variables()

    assert message.startswith("STREAMWARDEN_MAXGAP: no such setting, so it has no effect")
