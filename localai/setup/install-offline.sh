#!/bin/sh
# Install localai from this folder, without a network: ./install.sh [--prefix DIR]
#
# Everything is inside functions and the last line starts it, so that a file that was cut while
# it was copied does nothing.

main() {
  set -eu
  unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
  export PIP_USER=0 PIP_CONFIG_FILE=/dev/null
  root_mark=.localai-environments
  parse_arguments "$@"
  bundle=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
  locate_folders
  check_sums
  find_python
  check_program_is_ours
  check_environments_are_ours
  build_environment
  link_program
  "$program" setup --yes --offline "$bundle"
  case ":${PATH:-}:" in
    *":$bin_dir:"*) ;;
    *) say "$bin_dir is not on your PATH: export PATH=$(quoted "$bin_dir"):\"\$PATH\"" ;;
  esac
}

parse_arguments() {
  prefix=''
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix)
        [ $# -ge 2 ] || die 2 "--prefix needs a folder" "./install.sh --prefix ~/localai"
        prefix=$2
        shift
        ;;
      -h | --help)
        say "Usage: ./install.sh [--prefix DIR]"
        say "Checks this folder, installs localai from it without a network, and asks the model."
        exit 0
        ;;
      *) die 2 "there is no option $1" "./install.sh --help" ;;
    esac
    shift
  done
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

check_sums() {
  say "Checking this folder …"
  if command -v sha256sum >/dev/null 2>&1; then
    checker=sha256sum
  else
    checker='shasum -a 256'
  fi
  (cd "$bundle" && $checker -c SHA256SUMS >/dev/null 2>&1) ||
    die 2 "a file of this folder is damaged or missing: nothing was installed" \
      "cd $(quoted "$bundle") && $checker -c SHA256SUMS | grep -v OK"
}

# The wheels are for one version of Python.
find_python() {
  wanted=$(cat "$bundle/PYTHON")
  for candidate in ${PYTHON:+"$PYTHON"} "python$wanted" python3 python; do
    if "$candidate" -I -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != sys.argv[1])" \
      "$wanted" >/dev/null 2>&1; then
      python=$candidate
      return
    fi
  done
  die 3 "this folder is for Python $wanted, and none was found" "PYTHON=/path/to/python$wanted ./install.sh"
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

build_environment() {
  environment=$venv_root/offline-$(cksum <"$bundle/SHA256SUMS" | cut -d ' ' -f 1)
  if [ -e "$environment/.localai-installed" ]; then
    say "Already installed: $environment"
    return
  fi
  say "Making the environment …"
  rm -rf "$environment"
  mkdir -p "$venv_root"
  : >"$venv_root/$root_mark"
  trap 'rm -rf "$environment"' EXIT
  trap 'exit 130' INT TERM HUP
  # A Debian without python3-venv has no pip of its own: the bundle's does the work.
  "$python" -I -m venv --without-pip "$environment"
  for pip in "$bundle"/wheels/pip-*.whl; do :; done
  # By their names alone: in a path pip would take a `;` for the beginning of a condition.
  (cd -- "$bundle/wheels" && "$environment/bin/python" -I "$pip/pip" install --quiet --no-input \
    --no-index --no-deps --disable-pip-version-check ./*.whl)
  site=$("$environment/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp -R "$bundle/app/localai" "$site/localai"
  printf '#!/bin/sh\nexec %s -P -m localai "$@"\n' "$(quoted "$environment/bin/python")" \
    >"$environment/bin/localai"
  chmod 755 "$environment/bin/localai"
  mkdir -p "$environment/share/man"
  cp -R "$bundle/man" "$environment/share/man/man1"
  "$environment/bin/localai" --version >/dev/null
  "$environment/bin/python" -I -m pip freeze --all --disable-pip-version-check \
    >"$environment/.localai-packages"
  lock=requirements.lock
  keep_additions
  echo "$lock" >"$environment/.localai-installed"
  trap - EXIT INT TERM HUP
}

# What was added to the environment of the installed command, such as numpy for `bench --quality`,
# the clouds' clients, or a provider of the user's own.
keep_additions() {
  [ -L "$program" ] || return 0
  old=$(dirname -- "$(readlink "$program")")/..
  [ -r "$old/.localai-packages" ] || return 0
  "$environment/bin/python" -P -m localai.setup.additions "$old"
  if [ "$(cat "$old/.localai-installed" 2>/dev/null)" = requirements-cloud.lock ]; then
    lock=requirements-cloud.lock
  fi
  if [ -e "$old/.localai-gpu" ]; then
    say "The engine of this folder is the one for the CPU. For the graphics card, with a network:"
    say "  ./install.sh --gpu KIND, in the folder of localai's source"
  fi
}

# A rename, so that there is a working command at every moment.
link_program() {
  mkdir -p "$bin_dir"
  ln -s "$environment/bin/localai" "$program.$$"
  mv -f "$program.$$" "$program"
  link_pages
}

# The manual pages, where `man` looks for those of the programs in $bin_dir. Without them nothing
# else is missing.
link_pages() {
  mkdir -p "$man_dir" 2>/dev/null || return 0
  for page in "$environment"/share/man/man1/localai*.1; do
    link=$man_dir/${page##*/}
    if [ -L "$link" ]; then
      case $(readlink "$link") in
        "$venv_root"/*) rm -f "$link" ;;
      esac
    fi
    if [ -e "$page" ] && [ ! -e "$link" ]; then
      ln -s "$page" "$link" 2>/dev/null || :
    fi
  done
}

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
