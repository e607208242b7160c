#!/bin/sh
# What only a Mac can show. On a Mac with Apple Silicon, in a clone, with localai installed:
#
#     tests/on_a_mac.sh > on-a-mac.txt 2>&1
#
# Fetches two small models (under 3 GB). Each part says what must be seen; nothing is changed.
set -u
localai=${LOCALAI:-localai}
clone=$(cd "$(dirname "$0")/.." && pwd)
part() { printf '\n== %s\n   must show: %s\n' "$1" "$2"; }
run() { printf '$ %s\n' "$*"; "$@"; printf '(exit code %s)\n' "$?"; }

part "the machine" "the chip, its cores by kind, bandwidth measured beside what is specified"
run sw_vers
run sysctl hw.optional.arm64 hw.memsize hw.nperflevels hw.perflevel0.name hw.perflevel1.name
run "$localai" hardware
run "$localai" hardware --json

part "installation" "MLX from macOS 14 on, without it before; refused under Rosetta with what to type"
run "$clone/install.sh" --dry-run
run arch -x86_64 "$clone/install.sh" --dry-run

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

part "Metal" "the engine's own projection, also the first time, when Metal compiles its shaders;
   an answer, all layers on the GPU, twice: the second starts sooner"
run "$localai" pull qwen3:0.6b
run "$localai" show qwen3:0.6b
run "$localai" chat -m llamacpp/qwen3:0.6b -u --no-log --think off "What is the capital of France?"
run "$localai" chat -m llamacpp/qwen3:0.6b -u --no-log --think off "What is the capital of France?"
run "$localai" bench llamacpp/qwen3:0.6b --quick

part "MLX" "an answer of MLX's, and its speed beside the engine's"
run "$localai" pull hf.co/mlx-community/Qwen3-4B-4bit
run "$localai" chat -m mlx/Qwen3-4B-4bit -u --no-log --think off "What is the capital of France?"
run "$localai" bench mlx/Qwen3-4B-4bit --quick

part "MLX, thoughts" "the thinking apart from the text, which begins with its first word"
run "$localai" chat -m mlx/Qwen3-4B-4bit --no-log --json --think on "What is 17 times 23?"

part "MLX, several together" "-j 8 at several times the rate of -j 1, and the same answers in both"
prompts=${TMPDIR:-/tmp}/together.jsonl
for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
  printf '{"prompt": "Write two sentences about the number %s."}\n' "$number"
done > "$prompts"
for jobs in 1 8; do
  made=${TMPDIR:-/tmp}/together-$jobs.jsonl
  rm -f "$made"
  run "$localai" batch "$prompts" -O "$made" -j "$jobs" -m mlx/Qwen3-4B-4bit --think off --max-tokens 128 -s "Be brief."
done
run "$localai" ps

part "MLX, a prompt beside an answer" "both go on; a long prompt alone in steps of 2,048 tokens"
"$localai" chat -m mlx/Qwen3-4B-4bit --no-log --think off --max-tokens 400 "Count to 300." > /dev/null &
yes 'The quick brown fox jumps over the lazy dog.' | head -n 600 |
  run "$localai" chat -m mlx/Qwen3-4B-4bit -u --no-log --think off --max-tokens 20 "What is this?"
wait

part "what MLX cannot do" "refused with 2; the hint names the GGUF model that is here"
run "$localai" chat -m mlx/Qwen3-4B-4bit --no-log --schema '{"type": "object"}' "A town."

part "MLX's runs count" "show: measured here; recommend: what other models did here"
run "$localai" show mlx/Qwen3-4B-4bit

part "who listens" "Ollama's user and its process, by lsof, where Ollama runs"
run "$localai" privacy
run "$localai" doctor

part "Time Machine" "[Excluded] for localai's own models, and nothing of the others"
run tmutil isexcluded "$HOME/Library/Application Support/localai/models" "$HOME/.cache/huggingface"

part "a power cut" "the drive's cache is emptied: as root, F_FULLFSYNC in the calls of a pull"
printf 'sudo fs_usage -w -f filesys | grep -i -E "F_FULLFSYNC|fsync"   # while: localai config set theme dark\n'

part "a bundle for another Python" "a folder for Python 3.12, whatever runs here"
out=$(mktemp -d)/bundle
run "$localai" setup --bundle "$out" --python 3.12
run cat "$out/PYTHON"

part "memory" "on 8 GB: a 4B model is loaded, with a warning where less is free; ps counts Metal's"
run "$localai" chat -m llamacpp/qwen3:0.6b --ctx 32k --no-log --think off "Say hi."
run "$localai" ps

part "awake" "caffeinate beside a batch, and gone after it"
printf '{"prompt": "Count to 100."}\n' > "${TMPDIR:-/tmp}/awake.jsonl"
"$localai" batch "${TMPDIR:-/tmp}/awake.jsonl" -m llamacpp/qwen3:0.6b > /dev/null 2>&1 &
sleep 2
run pgrep -fl caffeinate
wait

part "set-up" "what it would fetch here: a model that fits, larger on a larger Mac"
run "$localai" setup --dry-run

part "recommended" "the first has at least 20 tokens a second where the machine can"
run "$localai" recommend
run "$localai" stop --all
