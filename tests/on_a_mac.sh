#!/bin/sh
# What only a Mac can show. On a Mac with Apple Silicon, in a clone, with localai installed:
#
#     tests/on_a_mac.sh > on-a-mac.txt 2>&1
#
# Fetches two small models (under 3 GB). Each part says what must be seen; nothing is changed.
set -u
localai=${LOCALAI:-localai}
part() { printf '\n== %s\n   must show: %s\n' "$1" "$2"; }
run() { printf '$ %s\n' "$*"; "$@"; printf '(exit code %s)\n' "$?"; }

part "the machine" "the chip, its cores by kind, bandwidth measured beside what is specified"
run sw_vers
run sysctl hw.optional.arm64 hw.memsize hw.nperflevels hw.perflevel0.name hw.perflevel1.name
run "$localai" hardware
run "$localai" hardware --json

part "authorities" "python.org's Python trusts nobody by itself, and the pull succeeds all the same"
run python3 -c 'import ssl; print(ssl.get_default_verify_paths())'
run "$localai" pull --dry-run qwen3:0.6b

part "the engine's sandbox" "network denied; an air gap that holds; from native code, too"
run "$localai" pull starter
run "$localai" chat -m starter -u --no-log "What is the capital of France?"
run "$localai" ps --json
run "$localai" --airgap chat -m starter --no-log "What is the capital of France?"

part "inside another sandbox" "an answer with network_denied false; the air gap refused with 4"
run "$localai" stop --all
nested='(version 1)(allow default)'
run sandbox-exec -p "$nested" "$localai" chat -m starter --no-log --json "Say hi."
run sandbox-exec -p "$nested" "$localai" --airgap chat -m starter --no-log "Say hi."
run "$localai" stop --all

part "a deep home" "an answer: the socket is within 103 bytes"
deep=$(mktemp -d)/$(printf 'd%.0s' 1 2 3 4 5 6 7 8 9 0)/$(printf 'deeper%.0s' 1 2 3 4 5 6 7 8 9 0 1 2)
run env LOCALAI_HOME="$deep" "$localai" pull starter
run env LOCALAI_HOME="$deep" "$localai" chat -m starter --no-log "What is the capital of France?"
run env LOCALAI_HOME="$deep" "$localai" stop --all

part "Metal" "all layers on the GPU; the first start is slow, because Metal compiles its shaders"
run "$localai" pull qwen3:0.6b
run "$localai" chat -m llamacpp/qwen3:0.6b -u --no-log --think off "What is the capital of France?"
run "$localai" bench llamacpp/qwen3:0.6b --quick

part "MLX" "an answer of MLX's, and its speed beside the engine's"
run "$localai" pull hf.co/mlx-community/Qwen3-4B-4bit
run "$localai" chat -m mlx/Qwen3-4B-4bit -u --no-log --think off "What is the capital of France?"
run "$localai" bench mlx/Qwen3-4B-4bit --quick

part "who listens" "Ollama's user, by lsof, where Ollama runs"
run "$localai" privacy

part "memory" "on 8 GB: a 4B model is loaded, with a warning where less is free; ps counts Metal's"
run "$localai" chat -m llamacpp/qwen3:0.6b --ctx 32k --no-log --think off "Say hi."
run "$localai" ps

part "awake" "caffeinate beside a batch, and gone after it"
printf '{"prompt": "Count to 100."}\n' > "${TMPDIR:-/tmp}/awake.jsonl"
"$localai" batch "${TMPDIR:-/tmp}/awake.jsonl" -m llamacpp/qwen3:0.6b > /dev/null 2>&1 &
sleep 2
run pgrep -fl caffeinate
wait

part "recommended" "the first has at least 20 tokens a second where the machine can"
run "$localai" recommend
run "$localai" stop --all
