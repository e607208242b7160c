#!/bin/sh
# What only a Linux machine with a graphics card can show. In a clone, with localai installed and a
# llama-server that is built for the card on PATH (or its path as the only argument):
#
#     tests/on_a_gpu.sh [/path/to/llama-server] > on-a-gpu.txt 2>&1
#
# Fetches one small model (under 1 GB), and with GPU_HASH=sha256:… the engine's build for the card
# (GPU_KIND: cuda, rocm, vulkan). Each part says what must be seen. All of it is in a home and a
# prefix of its own, and nothing else is changed.
set -u
server=${1:-llama-server}
localai=${LOCALAI:-localai}
LOCALAI_HOME=$(mktemp -d)
export LOCALAI_HOME
part() { printf '\n== %s\n   must show: %s\n' "$1" "$2"; }
run() { printf '$ %s\n' "$*"; "$@"; printf '(exit code %s)\n' "$?"; }

part "the machine" "the card, its memory and bandwidth, and that it lies idle"
run sh -c 'nvidia-smi || rocm-smi || vulkaninfo --summary'
run "$localai" hardware
run "$server" --version
run "$server" --list-devices

part "without it" "the CPU's speed; recommend does not count on the card"
run "$localai" pull qwen3:0.6b
run "$localai" recommend
run "$localai" chat -m llamacpp/qwen3:0.6b -u --no-log --think off "What is the capital of France?"
run "$localai" bench llamacpp/qwen3:0.6b --quick

part "with it" "the card is no more idle; an answer of llama-server's, network denied; its speed"
run "$localai" config set engine.binary "$server"
run "$localai" hardware
run "$localai" chat -m llamacpp/qwen3:0.6b -u --no-log --think off "What is the capital of France?"
run "$localai" ps --json
run sh -c 'nvidia-smi || rocm-smi'
run "$localai" bench llamacpp/qwen3:0.6b --quick

part "the sandbox lets the card through" "layers on the card in the log, and no network for the server"
run sh -c 'grep -hE "offloaded|CUDA|ROCm|Vulkan" "$LOCALAI_HOME"/cache/logs/*.log | head -20'
run sh -c 'for pid in $(pgrep -f "ctx-size"); do readlink /proc/$pid/ns/net; grep Seccomp: /proc/$pid/status; done'

part "the engine's own build for the card" "where it comes from, and that its hash is missing (2)"
# With its hash (GPU_HASH=sha256:…, from the makers' page that is named) it is installed, beside the
# other, and a wrong one refused (4).
kind=${GPU_KIND:-cuda}
run ./install.sh --gpu "$kind" --dry-run
if [ -n "${GPU_HASH:-}" ]; then
  place=$(mktemp -d)
  run ./install.sh --prefix "$place" --no-starter --gpu "$kind" --gpu-hash "sha256:$(printf '0%.0s' $(seq 64))"
  run ./install.sh --prefix "$place" --no-starter --gpu "$kind" --gpu-hash "$GPU_HASH"
  run "$localai" stop --all
  run "$localai" config unset engine.binary
  run "$place/bin/localai" hardware
  run "$place/bin/localai" recommend
  run "$place/bin/localai" chat -m llamacpp/qwen3:0.6b -u --no-log --think off "What is the capital of France?"
  run "$place/bin/localai" ps --json
  run sh -c 'nvidia-smi || rocm-smi'
  run "$place/bin/localai" bench llamacpp/qwen3:0.6b --quick
  run "$place/bin/localai" stop --all
  run ./install.sh --prefix "$place" --uninstall
fi

part "the end" "its memory on the card is free again"
run "$localai" stop --all
run sh -c 'nvidia-smi || rocm-smi'
rm -rf "$LOCALAI_HOME"
