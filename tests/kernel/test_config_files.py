"""The configuration files of the install guides, exactly as printed there, comments in Chinese and all."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from cumulet.identity import app
from cumulet.identity import options as identity_options
from cumulet.identity.tokens.fernet import FernetProvider
from cumulet.kernel import conf_files, config
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings

GUIDES = Path(__file__).parent / "guides"
RABBIT = "rabbit://openstack:openstack123@openstack-vip.magedu.local"


@pytest.mark.parametrize("file", sorted(GUIDES.iterdir()), ids=lambda file: file.name)
def test_every_file_of_the_guides_is_read(file: Path) -> None:
    assert isinstance(config.load("any", [file]), cfg.ConfigOpts)


@pytest.mark.parametrize(
    ("file", "connection", "transport_url"),
    [
        (
            "000-nova.conf",
            "mysql+pymysql://nova:NOVA_DBPASS@controller/nova",
            "rabbit://openstack:RABBIT_PASS@controller",
        ),
        ("003-keystone.conf", "mysql://keystone:KEYSTONE_DBPASS@127.1/keystone", None),
        ("003-glance-api.conf", "mysql://glance:GLANCE_DBPASS@127.1/glance", None),
        ("004-keystone.conf", "mysql+pymysql://keystone:keystone123@openstack-vip.magedu.local/keystone", None),
        ("004-glance-api.conf", "mysql+pymysql://glance:glance123@openstack-vip.magedu.local/glance", None),
        ("004-nova.conf", "mysql+pymysql://nova:nova123@openstack-vip.magedu.local/nova", f"{RABBIT}:5672/"),
        ("004-neutron.conf", "mysql+pymysql://neutron:neutron123@openstack-vip.magedu.local/neutron", RABBIT),
    ],
)
def test_what_they_say_counts(file: str, connection: str, transport_url: str | None) -> None:
    conf = config.load("any", [GUIDES / file])
    assert conf.database.connection == connection
    assert conf.transport_url == transport_url


def test_keystone_of_2020() -> None:
    conf = config.load("keystone", [GUIDES / "004-keystone.conf"])
    identity_options.register(conf)
    assert conf.token.provider == "fernet"  # and not "fernet    # 表示keystone自身提供令牌"


def test_keystone_of_2016_still_starts(tmp_path: Path) -> None:
    """admin_token, [memcache], the UUID provider and the SQL drivers of Mitaka; a login looks the same."""
    text = (GUIDES / "003-keystone.conf").read_text()
    connection = "mysql://keystone:KEYSTONE_DBPASS@127.1/keystone"
    file = tmp_path / "keystone.conf"
    file.write_text(text.replace(connection, f"sqlite:///{tmp_path}/keystone.sqlite"))
    identity = app.build_service(Environment(Settings(state_dir=str(tmp_path), config_files={"keystone": [str(file)]})))
    assert identity.conf.admin_token == "42813d8157799f6b892d"
    assert isinstance(identity.tokens.provider, FernetProvider)
    identity.db.close()


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("password = a#b", "a#b"),
        ("password = a # b", "a"),
        ("password = a\t#b", "a"),
        ("password=p@ss;word", "p@ss;word"),
    ],
)
def test_a_comment_needs_a_blank_before_it(tmp_path: Path, line: str, read: str) -> None:
    file = tmp_path / "some.conf"
    file.write_text(f"[database]\n{line}\n")
    conf = config.load("any", [file])
    conf.register_opt(cfg.StrOpt("password"), group="database")
    assert conf.database.password == read


def test_values_of_several_lines(tmp_path: Path) -> None:
    file = tmp_path / "some.conf"
    file.write_text("[DEFAULT] # 注释\nfilters = one,  # first\n  two\n")
    conf = config.load("any", [file])
    conf.register_opt(cfg.ListOpt("filters"))
    assert conf.filters == ["one", "two"]


def test_the_encoding_of_older_chinese_editors(tmp_path: Path) -> None:
    file = tmp_path / "some.conf"
    file.write_bytes("[token] # 配置\nprovider = jws  # 令牌\n".encode("gb18030"))
    conf = config.load("any", [file])
    conf.register_opt(cfg.StrOpt("provider"), group="token")
    assert conf.token.provider == "jws"


def test_an_error_names_the_operators_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.conf"
    file.write_text("[token] # comment\nprovider fernet\n")
    with pytest.raises(cfg.ConfigFileParseError, match=r"broken\.conf:2"):
        config.load("any", [file])


def test_a_plain_file_is_handed_over_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "plain.conf"
    file.write_text("[token]\nprovider = fernet\n")
    with conf_files.opened([file]) as given:
        assert given.paths == [str(file)]


def test_files_are_found_under_the_names_operators_know(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    wanted = {
        "keystone": ["keystone.conf", "keystone/keystone.conf"],
        "glance": ["glance-api.conf", "glance/glance-api.conf"],
        "neutron": ["neutron/neutron.conf", "neutron/plugins/ml2/ml2_conf.ini"],
    }
    for names in wanted.values():
        for name in names:
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).touch()
    last = tmp_path / "last.conf"
    last.touch()
    settings = Settings(state_dir=str(tmp_path), config_files={"keystone": [str(last)]})
    assert settings.files_of("keystone") == [*(etc / name for name in wanted["keystone"]), last]
    assert settings.files_of("glance") == [etc / name for name in wanted["glance"]]
    assert settings.files_of("neutron") == [etc / name for name in wanted["neutron"]]
    assert settings.files_of("nova") == []
