"""What doctor tells a person to type, where it depends on what was found."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from localai.doctor.checks import all_checks
from localai.doctor.diagnose import diagnose
from tests.doctor.exhibits import case_of, snapshot

_WRITE = r"""printf '[Service]\nEnvironment="OLLAMA_NO_CLOUD=1"\n'"""

# Of each exhibit the lines that mend it, and the one that takes that back.
REPAIRS: Mapping[str, list[tuple[list[str], str | None]]] = {
    "apu-memory-small": [
        (
            ["sudo grubby --update-kernel=ALL --args=ttm.pages_limit=6291456", "sudo reboot"],
            "sudo grubby --update-kernel=ALL --remove-args=ttm.pages_limit",
        )
    ],
    "certificates-unusable": [(["unset SSL_CERT_FILE"], None)],
    "cloud-alias": [(["ollama rm helper:latest"], None)],
    "config-invalid": [(["localai config unset engine.threads"], None)],
    "database-unusable": [([], None)],
    "default-model-missing": [(["localai pull qwen3:14b"], None)],
    "disk-full": [(["localai dedupe --dry-run", "localai list"], None)],
    "disk-read-only": [
        (["sudo mount -o remount,rw /data", "sudo dmesg | grep -i -E 'remount|i/o error'"], None)
    ],
    "file-digest-wrong": [(["rm /home/USER/.ollama/models/blobs/sha256-aa"], None)],
    "files-readable-by-others": [
        (
            ["chmod go-rwx /home/USER/.local/share/localai/localai.db"],
            "chmod go+r /home/USER/.local/share/localai/localai.db",
        )
    ],
    "folder-closed": [(["chmod u+x /home/USER/.local"], "chmod u-x /home/USER/.local")],
    "folder-not-writable": [(['sudo chown -R "$USER" /home/USER/.local/share/localai'], None)],
    "gpu-hidden-by-variable": [
        (["unset CUDA_VISIBLE_DEVICES"], None),
        (
            ["sudo systemctl edit ollama", "sudo systemctl restart ollama"],
            "sudo systemctl revert ollama",
        ),
    ],
    "key-in-config": [(['"${EDITOR:-vi}" /home/USER/.config/localai/config.toml'], None)],
    "key-without-permission": [
        (["localai config set cloud.allow openai"], "localai config unset cloud.allow")
    ],
    "known-vulnerability": [(["curl -fsSL https://ollama.com/install.sh | sh"], None)],
    "memory-pressure": [(["localai ps", "localai stop --all"], None)],
    "metal-working-set": [
        (["sudo sysctl iogpu.wired_limit_mb=62943"], "sudo sysctl iogpu.wired_limit_mb=0")
    ],
    "model-damaged": [(["localai rm mistral"], None)],
    "model-parts-missing": [(["localai rm big"], None)],
    "not-on-path": [(['export PATH="/home/USER/.local/bin:$PATH"'], None)],
    "ollama-asks-its-makers": [
        (
            [
                "sudo mkdir -p /etc/systemd/system/ollama.service.d",
                f"{_WRITE} | sudo tee /etc/systemd/system/ollama.service.d/no-cloud.conf",
                "sudo systemctl daemon-reload && sudo systemctl restart ollama",
            ],
            "sudo rm /etc/systemd/system/ollama.service.d/no-cloud.conf",
        )
    ],
    "ollama-blob-damaged": [
        (["rm -f /home/USER/.ollama/models/blobs/sha256-aa", "ollama pull qwen3:8b"], None)
    ],
    "ollama-drop-in-broken": [
        (
            [
                "sudo sed -i '1i [Service]' /etc/systemd/system/ollama.service.d/override.conf",
                "sudo systemctl daemon-reload",
            ],
            "sudo sed -i '1d' /etc/systemd/system/ollama.service.d/override.conf",
        )
    ],
    "ollama-layers-on-cpu": [(["ollama stop qwen3:32b"], None)],
    "ollama-manifest-damaged": [(["ollama pull qwen3:8b"], None)],
    "ollama-not-running": [(["sudo systemctl restart ollama"], None)],
    "ollama-twice": [(["sudo snap remove ollama"], None)],
    "ollama-value-misread": [
        (["export OLLAMA_FLASH_ATTENTION=0"], None),
        (["sudo systemctl edit ollama"], "sudo systemctl revert ollama"),
    ],
    "ollama-variable-unknown": [(["export OLLAMA_MODELS=/data/ollama", "unset OLLAMA_HOME"], None)],
    "own-server-down": [(["localai config unset endpoint.farm"], None)],
    "own-server-key-missing": [(["read -rs FARM_KEY && export FARM_KEY"], "unset FARM_KEY")],
    "partial-downloads": [(["rm -i /home/USER/.ollama/models/blobs/*-partial*"], None)],
    "prompts-logged": [(["sudo systemctl edit ollama", "sudo systemctl restart ollama"], None)],
    "proxy-for-loopback": [
        (
            ["export NO_PROXY=127.0.0.1,localhost,::1 no_proxy=127.0.0.1,localhost,::1"],
            "unset NO_PROXY no_proxy",
        )
    ],
    "server-of-another-user": [
        (["localai config set network.users mallory"], "localai config unset network.users")
    ],
    "stale-files": [(["rm -r /tmp/localai-temporary-abc"], None)],
    "template-suspicious": [(["localai show mistral"], None)],
    "variable-unknown": [(["unset LOCALAI_MODLE"], None)],
}


@pytest.mark.parametrize("code", REPAIRS)
def test_the_lines_that_mend_it_name_what_was_found(code: str) -> None:
    found = diagnose(snapshot(case_of(code).facts), all_checks()).findings
    fixes = [each.fix for each in found if each.code == code]
    assert [(list(fix.lines), fix.undo) for fix in fixes] == REPAIRS[code]


def test_a_number_with_a_unit_is_said_as_ollama_reads_it() -> None:
    found = diagnose(snapshot(case_of("ollama-value-misread").facts), all_checks()).findings
    assert [each.fix.hint for each in found] == [
        None,
        'there: Environment="OLLAMA_CONTEXT_LENGTH=32768"',
    ]
