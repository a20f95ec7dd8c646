"""Settings from the environment."""

from __future__ import annotations

import pytest

from config.settings import LABELBOX_REST_ENDPOINT, load_settings
from tasks.errors import ConfigurationError


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
