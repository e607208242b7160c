#!/bin/sh
# What only a Linux machine with a graphics card can show. In a clone, with localai installed and a
# llama-server that is built for the card on PATH (or its path as the only argument):
#
#     tests/on_a_gpu.sh [/path/to/llama-server] > on-a-gpu.txt 2>&1
#
# Fetches one small model (under 1 GB); MODEL=/path/to/model.gguf takes a file instead, for a machine
# without a network. LARGE=/path/to/model.gguf, of some 8B, is asked long questions as well. With
# GPU_HASH=sha256:… the engine's own build for the card is fetched, too (GPU_KIND: cuda, rocm,
# vulkan). Each part says what must be seen. All of it is in a home and a prefix of its own, and
# nothing else is changed.
set -u
server=${1:-llama-server}
localai=${LOCALAI:-localai}
LOCALAI_HOME=$(mktemp -d)
export LOCALAI_HOME
part() { printf '\n== %s\n   must show: %s\n' "$1" "$2"; }
run() { printf '$ %s\n' "$*"; "$@" </dev/null; printf '(exit code %s)\n' "$?"; }
card() { run sh -c 'nvidia-smi || rocm-smi || vulkaninfo --summary'; }
ask() {
  run "$localai" chat -m "$model" -u --no-log --think off --temperature 0 \
    -s "You are a helpful assistant." "What is the capital of France?"
}

part "the machine" "the card, its memory and bandwidth, and that it lies idle"
card
run "$localai" hardware
run "$server" --version
run "$server" --list-devices

part "without it" "the CPU's speed; show and recommend do not count on the card"
if [ -n "${MODEL:-}" ]; then
  model=llamacpp/$(basename "$MODEL" .gguf)
  run "$localai" pull "$MODEL"
else
  model=llamacpp/qwen3:0.6b
  run "$localai" pull qwen3:0.6b
fi
run "$localai" recommend
run "$localai" show "${model#llamacpp/}"
ask
run "$localai" bench "$model" --quick

part "with it" "the card is no more idle; an answer of llama-server's, network denied; its speed"
run "$localai" config set engine.binary "$server"
run "$localai" hardware
run "$localai" show "${model#llamacpp/}"
ask
run "$localai" ps
run "$localai" ps --json
card
run "$localai" doctor
run "$localai" bench "$model" --quick

part "the sandbox lets the card through" "layers on the card in the log, and no network for the server"
run sh -c 'grep -hE "offloaded|CUDA|ROCm|Vulkan" "$LOCALAI_HOME"/cache/logs/*.log | head -20'
run sh -c 'for pid in $(pgrep -f "ctx-size"); do readlink /proc/$pid/ns/net; grep Seccomp: /proc/$pid/status; done'

part "other settings" "the same answer; with few layers on the card a slower one, and less memory there"
for setting in "kv_type q8_0" "flash_attention on" "gpu_layers 8"; do
  # shellcheck disable=SC2086  # a name and its value
  run "$localai" config set engine.$setting
  ask
  run "$localai" ps
  run "$localai" config unset "engine.${setting% *}"
done

if [ -n "${LARGE:-}" ]; then
  large=llamacpp/$(basename "$LARGE" .gguf)
  part "a large model" "its memory on the card, the share of its bandwidth, joules a token; more users, more in all"
  run "$localai" pull "$LARGE"
  run "$localai" bench "$large" -p 512 -n 128
  run "$localai" bench "$large" --quick -p 128 -n 64 -j 1,8

  part "Ctrl-C while it reads" "exit code 130 at once; the card at 0%, and the worker still there"
  for _ in 1 2 3 4 5 6 7 8; do cat docs/concepts/*.md; done >"$LOCALAI_HOME/long.txt"
  run "$localai" chat -m "$large" --no-log --ctx 64k --max-tokens 4 hi
  env --default-signal=INT "$localai" chat -m "$large" --no-log --ctx 64k -y \
    -f "$LOCALAI_HOME/long.txt" "Go on." </dev/null &
  asking=$!
  sleep 1.5
  kill -INT "$asking"
  wait "$asking"
  printf '(exit code %s)\n' "$?"
  sleep 1
  card

  part "a worker that is killed" "exit code 5 with the reason; its memory is free, and the next answer comes"
  "$localai" chat -m "$large" --no-log --max-tokens 4000 "Tell a long story." >/dev/null </dev/null &
  asking=$!
  sleep 2
  run sh -c "kill -9 \$($localai ps --json | sed -n 's/.*\"pid\": \([0-9]*\).*/\1/p')"
  wait "$asking"
  printf '(exit code %s)\n' "$?"
  card
  ask
fi

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
  localai=$place/bin/localai
  run "$localai" hardware
  run "$localai" recommend
  ask
  run "$localai" ps --json
  card
  run "$localai" bench "$model" --quick
fi

part "the end" "its memory on the card is free again"
run "$localai" stop --all
sleep 1
card
if [ -n "${GPU_HASH:-}" ]; then run ./install.sh --prefix "$place" --uninstall; fi
rm -rf "$LOCALAI_HOME"
