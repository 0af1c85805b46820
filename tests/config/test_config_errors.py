"""What is wrong with a configuration is said with file, line, key, what was found and what was expected."""

import pytest

from agent.config.errors import ConfigError
from agent.config.load import load


def problems(place, text, **environ):
    with pytest.raises(ConfigError) as caught:
        place.load(text, **environ)
    return [str(problem).removeprefix(f"{place.config}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[agent]\nnod = 1", '2: agent.nod: unknown key; did you mean "node"?'),
        ("[agents]\nnode = 'x'", '1: agents: unknown key; did you mean "agent"?'),
        ("[sources.disc]", '1: sources.disc: unknown key; did you mean "disk"?'),
        ("[sources.disk]\nfor = '1m'\nfr = '1m'", '3: sources.disk.fr: unknown key; did you mean "for"?'),
        ("[http]\nzzz = 1", "2: http.zzz: unknown key; expected one of proxy, ca_file"),
        ("[alerts.gpu_om]\nenabled = true", '1: alerts.gpu_om: unknown key; did you mean "gpu_oom"?'),
        ("[agent]\nnode = 3", "2: agent.node: found 3, expected a text"),
        ("[agent]\nnode = ''", '2: agent.node: found "", expected a text with at least 1 character'),
        (
            "[agent]\nnode = 'a'\nnode = 'b'\n",
            "3: no valid TOML: this key or table stands in the file twice (column 11)",
        ),
        ("[reports.daily]\ntime = '9am'", '2: reports.daily.time: found "9am", expected a time of day such as "09:00"'),
        ("[agent]\nlog_level = 'warn'", '2: agent.log_level: found "warn", did you mean "warning"?'),
        ("agent = 3", "1: agent: found a number, expected a table"),
        ("[agent]\nlabels = ['x']", "2: agent.labels: found a list, expected a table"),
        ("[agent]\nstate_dir = 'here'\n", None),
        ("[agent]\nspool_dir = 'here'", '2: agent.spool_dir: found "here", expected an absolute path'),
        ("[server]\nenabled = 'perhaps'", '2: server.enabled: found "perhaps", expected true or false'),
        ("[store]\nmax_rows = 1.5", "2: store.max_rows: found 1.5, expected a whole number"),
        ("[store]\nmax_rows = 5", "2: store.max_rows: found 5, expected at least 1000"),
        ("[sources.disk]\nwarn_percent = 'lots'", '2: sources.disk.warn_percent: found "lots", expected a number'),
        ("[sources.disk]\npaths = 3", '2: sources.disk.paths: found 3, expected "auto" or a list'),
        ("[sources.logs]\npaths = '/x/*.log'", "2: sources.logs.paths: found a text, expected a list"),
        ("[sources.logs]\npaths = [\n1,\n]", "2: sources.logs.paths[0]: found 1, expected a text"),
        (
            "[[jobs.job]]\nname = 'a'\npid_file = '~nosuchuser/pid'",
            '3: jobs.job[0].pid_file: found "~nosuchuser/pid", expected an absolute path',
        ),
        ("[alerts.gpu_oom]\nrepeat = 0", "2: alerts.gpu_oom.repeat: found 0, expected more than 0"),
        (
            "[channels.a]\ntype = 'slak'",
            '2: channels.a.type: found "slak", which is no channel type; did you mean "slack"?',
        ),
        ("[channels.a]\nurl = 'x'", "1: channels.a.type: missing; expected one of console, slack, webhook"),
        ("[channels]\na = 3", "2: channels.a: found a number, expected a table"),
        ("[channels.a]\ntype = 'webhook'", "1: channels.a.url: missing, expected a value"),
        (
            "[channels.a]\ntype = 'slack'",
            "1: channels.a: found neither, expected url, or token and channel",
        ),
        (
            "[channels.a]\ntype = 'console'\nalerts = ['gpu_om']",
            '3: channels.a.alerts[0]: found "gpu_om", did you mean "gpu_oom"?',
        ),
        (
            "[[jobs.job]]\nname = 'a'\nlog = '/x/*.log'\n[[jobs.job]]\nname = 'b'",
            "4: jobs.job[1]: found none of log, pid_file and command, expected one by which the job is known",
        ),
        (
            "[[jobs.job]]\nname = 'a'\ncommand = 'a)'",
            '3: jobs.job[0].command: found "a)", expected a regular expression: unbalanced parenthesis at position 1',
        ),
        (
            "[[jobs.job]]\nname = 'a'\nlog = 'here.log'",
            '3: jobs.job[0].log: found "here.log", expected an absolute path or pattern',
        ),
        (
            "[http]\nproxy = 'https://user:pass@proxy'",
            '2: http.proxy: found another value, expected a proxy as "http://host:port"',
        ),
    ],
)
def test_each_fault_is_told_at_its_place(place, text, told):
    if told is None:  # overridden by --state-dir, so never judged
        assert place.load(text).state_dir == place.state
    else:
        assert problems(place, text) == [told]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[agent]\ntimezone = 'Europe/Berln'", ["2: agent.timezone", '"Europe/Berln"', '"Europe/Berlin"', '"local"']),
        ("[agent]\ntimezone = 'Europe'", ["2: agent.timezone", '"Europe"', "IANA time zone"]),
        ("[agent]\ntimezone = '../etc/passwd'", ["2: agent.timezone", "IANA time zone"]),
        ("[sources.disk]\ninterval = '5 parsecs'", ["2: sources.disk.interval", "5 parsecs", "15m"]),
        ("[alerts.gpu_oom]\nseverity = 'fatal'", ["2: alerts.gpu_oom.severity", "fatal", "info, warning or critical"]),
        ("[channels.a]\ntype = 'console'\nmin_severity = 7", ["3: channels.a.min_severity", "warning or critical"]),
        ("[server]\nlisten = '19400'", ["2: server.listen", '"19400"', "HOST:PORT", "unix:"]),
        ("[channels.'no spaces']\ntype = 'console'", ["1: channels.no spaces", "unknown key", "matches"]),
    ],
)
def test_faults_that_only_a_reader_of_the_value_can_see(place, text, words):
    (told,) = problems(place, text)
    assert all(word in told for word in words), told


def test_all_problems_are_told_at_once_in_the_order_of_the_file(place):
    text = "[agent]\nnode = 3\n[channels.a]\ntype = 'slack'\nurl = { env = 'NOT_SET' }\n[server]\nlisen = 'x'"
    told = problems(place, text)
    assert [item.partition(": ")[0] for item in told] == ["2", "5", "7"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[agent\nnode = 'x'", "1: no valid TOML: Expected ']' at the end of a table declaration (column 7)"),
        ("[agent]\nnode = 'a'\nnode = 'b'\n", "3: no valid TOML"),
        ("node = ", "1: no valid TOML: Invalid value (at end of document)"),
    ],
)
def test_no_toml(place, text, told):
    (problem,) = problems(place, text)
    assert problem.startswith(told)


def test_no_text_at_all(place):
    place.config.write_bytes(b"[agent]\nnode = '\xff'\n")
    with pytest.raises(ConfigError, match=r"config\.toml:2: not UTF-8 text: expected TOML"):
        load(config=place.config, state_dir=place.state, environ={}, schema=place.schema)


@pytest.mark.parametrize("named", ["option", "variable"])
def test_a_file_that_was_named_must_exist(place, named):
    by = {"config": place.config} if named == "option" else {"config": None}
    environ = {} if named == "option" else {"GPUWARDEN_CONFIG": str(place.config)}
    with pytest.raises(ConfigError) as caught:
        load(**by, state_dir=place.state, environ=environ, schema=place.schema)
    assert str(place.config) in str(caught.value)
    assert ("--config" if named == "option" else "GPUWARDEN_CONFIG") in str(caught.value)
    assert "expected a readable TOML file" in str(caught.value)


def test_a_folder_where_a_file_is_meant(place):
    with pytest.raises(ConfigError, match="is a directory: expected a readable TOML file"):
        load(config=place.config.parent, state_dir=place.state, environ={}, schema=place.schema)


def test_a_log_path_that_is_a_folder(place):
    folder = place.config.parent
    told = problems(place, f"[sources.logs]\npaths = ['/var/log/*.log',\n'{folder}']")
    assert told == [f'2: sources.logs.paths[1]: "{folder}" is a directory; expected files, such as "{folder}/*.log"']


def test_a_job_log_that_is_a_folder(place):
    folder = place.config.parent
    (told,) = problems(place, f"[[jobs.job]]\nname = 'a'\nlog = '{folder}/'")
    assert told == f'3: jobs.job[0].log: "{folder}/" is a directory; expected files, such as "{folder}/*.log"'


def test_faults_in_the_environment_name_the_variable(place):
    with pytest.raises(ConfigError) as caught:
        place.load("", GPUWARDEN_SERVER__LISEN="x")
    assert str(caught.value) == 'GPUWARDEN_SERVER__LISEN: server.lisen: unknown key; did you mean "listen"?'
    (told,) = problems(place, "", GPUWARDEN_AGNT__NODE="x")
    assert told == 'GPUWARDEN_AGNT__NODE: agnt: unknown key; did you mean "agent"?'


def test_a_state_dir_in_the_file_must_be_absolute(place):
    place.config.write_text("[agent]\nstate_dir = 'here'")
    with pytest.raises(ConfigError, match=r'config\.toml:2: agent\.state_dir: found "here", expected an absolute path'):
        load(config=place.config, state_dir=None, environ={}, schema=place.schema)


def test_a_mark_of_the_byte_order_and_line_ends_of_windows_are_no_faults(place):
    assert place.load("\ufeff[agent]\r\nnode = 'a'\r\n").settings.agent.node == "a"
