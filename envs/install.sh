#!/bin/sh
# Make or mend .venv: the packages of envs/requirements.lock, hash by hash, and this project, editable.
# Run by `make install`; safe to interrupt and to repeat. PYTHON=<interpreter> chooses one.
# TORCH=cpu takes PyTorch's CPU build, without the 4 GB of CUDA that the one of the package index brings on Linux; a later
# run keeps the choice, and TORCH=default takes it back.
# With the argument `report` it makes .venv-report from envs/report.lock: no more than tables need, and no PyTorch.
# With the argument `uv` it only sees to uv and prints where it is.
set -eu
cd -- "$(dirname -- "$0")/.."
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX

say() { printf '%s\n' "$*" >&2; }
ask() { "$1" -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null || true; }
fits() { case $(ask "$1") in 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac }
have_uv() { uv --version >/dev/null 2>&1; }

# Print the first interpreter that fits. A name on PATH may be a shim that refuses to run, so each is asked.
choose_python() {
    found=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if fits "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
        version=$(ask "$candidate")
        found="$found${version:+ $candidate is $version,}"
    done
    if have_uv && [ -z "${PYTHON:-}" ]; then
        printf '3.12' # uv looks further than PATH, and fetches one if there is none
        return
    fi
    say "error: no Python 3.11, 3.12 or 3.13 here:${found:- none at all was found,} looked for ${PYTHON:-python3, python3.13, python3.12, python3.11, python}."
    say "Install one of the three, or say where it is: make install PYTHON=/path/to/python3.12"
    return 1
}

# Print the uv to use: that on PATH, else the pinned one in .tools.
choose_uv() {
    if have_uv; then
        printf 'uv'
        return
    fi
    if ! .tools/bin/uv --version >/dev/null 2>&1; then
        say "no uv on PATH: putting one into .tools"
        rm -rf .tools
        if ! "$1" -m venv .tools >&2; then
            rm -rf .tools
            say "error: $1 cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)."
            return 1
        fi
        .tools/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            --require-hashes -r envs/uv.txt >&2
    fi
    printf '.tools/bin/uv'
}

python=$(choose_python)
uv=$(choose_uv "$python")
if [ "${1:-}" = uv ]; then
    printf '%s\n' "$uv"
    exit
fi

if [ "${1:-}" = report ]; then env=.venv-report lock=envs/report.lock; else env=.venv lock=envs/requirements.lock; fi

# Keep an environment that works, unless another version of Python is asked for by name.
if ! fits $env/bin/python || { [ -n "${PYTHON:-}" ] && [ "$(ask "$python")" != "$(ask $env/bin/python)" ]; }; then
    say "making $env with $python"
    rm -rf $env
    "$uv" venv --quiet --no-project --python "$python" $env
fi
case ${TORCH:-} in
'' | default | cpu) ;;
*)
    say "error: TORCH=$TORCH: found '$TORCH', expected cpu or default."
    exit 1
    ;;
esac
torch=${TORCH:-$(cat $env/torch 2>/dev/null || true)}
if [ "$env" = .venv-report ] || [ "$torch" != cpu ]; then torch=default; fi
rm -f $env/installed

# Print the lock without PyTorch and what only its CUDA build needs.
without_cuda() {
    awk '/^[a-z0-9]/ { skip = /^(torch|torchvision|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==/ } !skip' "$1"
}

say "installing the packages of $lock into $env"
if [ "$env" = .venv ]; then
    if [ "$torch" = cpu ]; then
        say "(with the CPU build of PyTorch, from PyTorch's own index)"
        without_cuda "$lock" >$env/cpu.lock
        pinned=$(sed -n 's/^\(torch\(vision\)\{0,1\}==[^ ]*\).*/\1/p' "$lock")
        lock=$env/cpu.lock
    else
        say "(the first time several GB are downloaded, mostly PyTorch with CUDA; .venv then takes 6 to 7 GB on Linux)"
    fi
    compile=--compile-bytecode
else
    say "(the first time about 200 MB are downloaded; .venv-report then takes 560 MB)"
    compile=
fi
quiet=--quiet
if [ -t 2 ]; then quiet=; fi # a person sees how far the download is
"$uv" pip sync $quiet --python $env/bin/python --require-hashes $compile "$lock"
if [ "$torch" = cpu ]; then
    # Its hashes are not in the lock: they are of other files than those of the package index.
    # shellcheck disable=SC2086 - two words
    if ! "$uv" pip install $quiet --python $env/bin/python --no-deps $compile --torch-backend cpu $pinned; then
        say "error: no CPU build of" $pinned "could be had (see above). 'make install' takes the build that works everywhere."
        exit 1
    fi
fi
if [ "$env" = .venv ]; then printf '%s\n' "$torch" >$env/torch; fi
"$uv" pip install --quiet --python $env/bin/python --no-deps --no-build-isolation --editable .
if [ "$env" = .venv ] && [ -d .dvc ]; then
    # DVC unpickles what lies in its site cache, which is a folder for all where nothing else is said.
    "$env/bin/python" -c "from refer.storage.site_cache import private_site_cache; private_site_cache()"
fi
if [ "$env" = .venv-report ]; then
    # What is needed is compiled by its first use, and Matplotlib looks for fonts then.
    "$env/bin/python" -c "
import matplotlib.pyplot, pandas, pyarrow.parquet, scipy.stats, snakemake.cli
import refer.evaluation.scores, refer.reporting.figures.confusion, refer.reporting.page, refer.release.verify"
fi
: >"$env/installed"
say "ready; to use it without make: source $env/bin/activate"
