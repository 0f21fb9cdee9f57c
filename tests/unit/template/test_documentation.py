"""docs/parameters.md says what the template says."""

from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template


def tables() -> dict[str, dict[str, list[str]]]:
    """Section, first column: the other columns."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in (REPOSITORY / "docs" / "parameters.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
            found[section] = {}
        elif line.startswith("|") and not set(line) <= set("|- "):
            first, *others = [cell.strip() for cell in line.strip("|").split("|")]
            found[section][first] = others
    return {section: dict(list(rows.items())[1:]) for section, rows in found.items()}


def test_every_parameter_is_documented_with_its_default(template: Template) -> None:
    written = {name: default.strip("`") for name, (default, _) in tables()["Parameters"].items()}
    assert written == {name: str(declared["Default"]) for name, declared in template["Parameters"].items()}


def test_every_output_is_documented_and_exported(template: Template) -> None:
    written = {name: what for name, (what,) in tables()["Outputs"].items()}
    assert written == {name: output["Description"] for name, output in template["Outputs"].items()}
    for name, output in template["Outputs"].items():
        assert output["Export"] == {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{name}"}}


def test_the_numbers_are_the_templates(template: Template, on_aws: Deployment) -> None:
    queue, dead = on_aws.properties("Queue"), on_aws.properties("DeadLetterQueue")
    recognize, sweep = on_aws.properties("RecognizeFunction"), on_aws.properties("SweepFunction")
    quota = on_aws.properties("QuotaFunction")
    days = {properties["MessageRetentionPeriod"] / 86400 for properties in (queue, dead)}
    assert days == {14}
    assert {name: value for name, (value,) in tables()["Numbers"].items()} == {
        "Timeout of a function": f"{template['Globals']['Function']['Timeout']} s",
        "Lease of a scan, by default": f"{template['Parameters']['LeaseSeconds']['Default']} s",
        "Visibility timeout of the queue": f"{queue['VisibilityTimeout']} s",
        "Scans in a batch": f"{recognize['Events']['Uploads']['Properties']['BatchSize']}",
        "Receives before a message is a dead letter": f"{queue['RedrivePolicy']['maxReceiveCount']}",
        "Messages are kept": "14 days",
        "Memory of recognize": f"{recognize['MemorySize']} MB",
        "Memory of sweep": f"{sweep['MemorySize']} MB",
        "Memory of quota": f"{quota['MemorySize']} MB",
        "Memory of backfill": f"{on_aws.properties('BackfillFunction')['MemorySize']} MB",
        "Memory of replay": f"{on_aws.properties('ReplayFunction')['MemorySize']} MB",
        "Sweep runs every": sweep["Events"]["EveryFiveMinutes"]["Properties"]["Schedule"][5:-1],
    }
