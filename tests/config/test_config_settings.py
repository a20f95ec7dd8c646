"""Settings from the environment."""

from __future__ import annotations

import pytest

from config.settings import LABELBOX_REST_ENDPOINT, Settings, load_settings
from labelsnap.errors import ConfigurationError


def test_labelboxs_own_endpoints_are_the_default():
    """Without variables the real service is meant, and no host is allowed on private addresses."""
    settings = load_settings()
    assert settings.labelbox.rest_endpoint == LABELBOX_REST_ENDPOINT
    assert settings.allow_hosts == frozenset()


def test_the_key_is_read_and_never_shown(monkeypatch):
    """The key can be asked for, and stands in no repr and no dump."""
    monkeypatch.setenv("LABELBOX_API_KEY", "very-secret")
    settings = load_settings()
    assert settings.labelbox.api_key.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(settings)
    assert "very-secret" not in settings.model_dump_json()


def test_allowed_hosts_are_separated_by_commas(monkeypatch):
    """Blanks and capitals do not matter."""
    monkeypatch.setenv("LABELSNAP_ALLOW_HOSTS", "127.0.0.1, Images.Example.org,")
    assert load_settings().allow_hosts == {"127.0.0.1", "images.example.org"}


def test_a_variable_that_cannot_be_used_is_named(monkeypatch):
    """The message says which variable, and what is wrong with it."""
    monkeypatch.setenv("LABELSNAP_WORKERS", "many")
    with pytest.raises(ConfigurationError, match="LABELSNAP_WORKERS"):
        load_settings()


def test_source_buckets_are_separated_by_commas(monkeypatch):
    """Each names its scheme, Azure's an account too, and a slash at its end does not matter."""
    monkeypatch.setenv("LABELSNAP_SOURCE_BUCKETS", "s3://images/, s3://photos,azure://someaccount/photos/")
    monkeypatch.setenv("LABELSNAP_AZURE_SOURCE_SAS_TOKEN", " ?sv=1&sig=very-secret\n")
    assert load_settings().buckets_of("s3") == {"images", "photos"}
    assert load_settings().buckets_of("azure") == {"someaccount/photos"}
    assert load_settings().azure_source_sas_token.get_secret_value() == "sv=1&sig=very-secret"
    assert "very-secret" not in repr(load_settings())
    assert load_settings().buckets_of("gs") == frozenset()


NUMBERS = [name for name, found in Settings.model_fields.items() if found.annotation in {int, float}]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["1e14", "inf", "nan", "-1", "99999999999999999999"])
def test_every_number_has_bounds(monkeypatch, name, value):
    """What no clock, thread or memory could be set to is refused before anything starts."""
    monkeypatch.setenv(f"LABELSNAP_{name.upper()}", value)
    with pytest.raises(ConfigurationError, match=f"LABELSNAP_{name.upper()}"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SOURCE_BUCKETS", "images", "LABELSNAP_SOURCE_BUCKETS.*found 'images'"),
        ("SOURCE_BUCKETS", "s3://images/folder", "LABELSNAP_SOURCE_BUCKETS.*found 's3://images/folder'"),
        ("SOURCE_BUCKETS", "gs://images", "LABELSNAP_GS_SOURCE_ACCESS_KEY_ID"),
        ("S3_SOURCE_ACCESS_KEY_ID", "someone", "both LABELSNAP_S3_SOURCE_ACCESS_KEY_ID"),
        ("GS_SOURCE_SECRET_ACCESS_KEY", "very-secret", "both LABELSNAP_GS_SOURCE_ACCESS_KEY_ID"),
        ("SOURCE_BUCKETS", "azure://photos", "LABELSNAP_SOURCE_BUCKETS.*found 'azure://photos'"),
        ("SOURCE_BUCKETS", "azure://someaccount/photos", "LABELSNAP_AZURE_SOURCE_SAS_TOKEN or .*found neither"),
        ("AZURE_SOURCE_SAS_TOKEN", "very-secret", "LABELSNAP_AZURE_SOURCE_SAS_TOKEN"),
        ("AZURE_SOURCE_SAS_TOKEN", "sv=1 very-secret&sig=2", "LABELSNAP_AZURE_SOURCE_SAS_TOKEN"),
        ("AZURE_SOURCE_ACCOUNT_KEY", "very-secret", "LABELSNAP_AZURE_SOURCE_ACCOUNT_KEY.*base64"),
        ("AZURE_SOURCE_ENDPOINT", "https://example.org", "LABELSNAP_AZURE_SOURCE_ENDPOINT.*{account}"),
    ],
)
def test_sources_that_cannot_be_read_are_refused(monkeypatch, name, value, said):
    """The message says which variable is wrong or missing, and repeats no secret."""
    monkeypatch.setenv(f"LABELSNAP_{name}", value)
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_settings()
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("containers", "others", "said"),
    [
        ("azure://one/photos", {"ACCOUNT_KEY": "AAAA"}, "found both"),
        ("azure://one/photos,azure://another/photos", {}, "of one Azure account"),
    ],
)
def test_a_token_opens_containers_of_one_account(monkeypatch, containers, others, said):
    """It is sent to no other account's host, and what opens them is told once."""
    monkeypatch.setenv("LABELSNAP_SOURCE_BUCKETS", containers)
    for name, value in ({"SAS_TOKEN": "sv=1&sig=very-secret"} | others).items():
        monkeypatch.setenv(f"LABELSNAP_AZURE_SOURCE_{name}", value)
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_settings()
    assert "very-secret" not in str(caught.value)


OF_S3 = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
VARIABLES = [*OF_S3, "LABELBOX_API_KEY", "LABELBOX_WEBHOOK_SECRET"] + [
    f"LABELSNAP_{store}_SOURCE_{part}" for store in ("S3", "GS") for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
]


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    ("value", "found", "remedy"),
    [
        ("very-secret\n", "a line break at its end", "printf %s"),
        ("very-secret\r\n", "a line break at its end", "--from-literal"),
        ("very-secret\nX-Other: 1", "a line break or another control character", "Copy it again"),
        ("very\x1b[31m-secret", "a line break or another control character", "Copy it again"),
        ("   ", "nothing but blanks", "unset it"),
        ("\n", "nothing but blanks", "unset it"),
        ("very-secret" * 1000, "more than 8192 characters", "the secret itself"),
    ],
)
def test_a_secret_that_a_file_or_a_copy_has_spoilt_is_refused(monkeypatch, name, value, found, remedy):
    """By the variable's name, with what to do, and without the secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert found in caught.value.message
    assert remedy in caught.value.remedy
    assert "very" not in str(caught.value)


@pytest.mark.parametrize("value", ["very secret", "very-secret ", "ve\u200bry-secret", "“very-secret”"])
def test_a_key_has_no_blanks(monkeypatch, value):
    """Nor what a header cannot have; a webhook's secret may be any words."""
    monkeypatch.setenv("LABELBOX_API_KEY", value)
    with pytest.raises(ConfigurationError, match="LABELBOX_API_KEY"):
        load_settings()
    monkeypatch.delenv("LABELBOX_API_KEY")
    monkeypatch.setenv("LABELBOX_WEBHOOK_SECRET", "the webhook's secret")
    assert load_settings().labelbox.webhook_secret.get_secret_value() == "the webhook's secret"


@pytest.mark.parametrize(
    "name",
    [
        "LABELBOX_GRAPHQL_ENDPOINT",
        "LABELBOX_REST_ENDPOINT",
        "LABELSNAP_S3_SOURCE_ENDPOINT",
        "LABELSNAP_GS_SOURCE_ENDPOINT",
    ],
)
@pytest.mark.parametrize(
    "address",
    ["nonsense", "ftp://labelbox", "https://me:hunter2@host/api", "https://host/?key=hunter2", "https:///api"],
)
def test_an_address_that_leads_nowhere_is_refused(monkeypatch, name, address):
    """Before anything starts, by the variable's name, and without what is secret in it."""
    monkeypatch.setenv(name, address)
    with pytest.raises(ConfigurationError, match=name) as refused:
        load_settings()
    assert refused.value.code == "bad_setting"
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8765/api/v1", "http://[::1]:8080", "https://labelbox.example.com/graphql"]
)
def test_an_address_of_ones_own_is_taken(monkeypatch, address):
    """A proxy or a stand-in, by a name or a number."""
    monkeypatch.setenv("LABELBOX_REST_ENDPOINT", address)
    assert load_settings().labelbox.rest_endpoint == address


def test_what_is_said_of_a_setting_is_cut(monkeypatch):
    """And has no password or query of an address."""
    monkeypatch.setenv("LABELSNAP_SOURCE_BUCKETS", f"s3://key:very-secret@images/{'x' * 5000}?very-secret")
    with pytest.raises(ConfigurationError, match="LABELSNAP_SOURCE_BUCKETS") as caught:
        load_settings()
    assert "very-secret" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_settings_are_those_of_the_environment_as_it_is_now(monkeypatch):
    """A variable that is set, changed or unset counts from the next call on, whichever case its name has."""
    monkeypatch.setenv("LABELSNAP_EXPORTS", "3")
    assert load_settings().exports == 3
    monkeypatch.setenv("LABELSNAP_EXPORTS", "5")
    assert load_settings().exports == 5
    assert load_settings() is load_settings()
    monkeypatch.delenv("LABELSNAP_EXPORTS")
    monkeypatch.setenv("labelsnap_exports", "7")
    assert load_settings().exports == 7
    monkeypatch.setenv("LABELBOX_REST_ENDPOINT", "https://example.org/api/v1")
    assert load_settings().labelbox.rest_endpoint == "https://example.org/api/v1"
