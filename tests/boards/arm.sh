#!/usr/bin/env bash
# Lays out an Arm board for qemu-user: Debian's arm64 Python, and beside it tflite-runtime and numpy.
#
#     arm.sh [FOLDER]    130 MB there; where the board is complete it does nothing
#
# Needs apt-get, dpkg-deb and a Python with pip ($PYTHON, else python3), but not root. Both fetch from wherever
# this machine's settings say; apt works in a state of its own, so the machine's packages are left alone.
set -euo pipefail

folder=${1:-${AUTOTUNE_ARM_BOARD:-$HOME/.cache/autotune-tests/arm-board}}
packages=(python3.11-minimal libpython3.11-stdlib libstdc++6)
wheels=(tflite-runtime==2.14.0 numpy==1.26.4)

marker=$folder/complete
contents="${packages[*]} ${wheels[*]}"
if [[ -f $marker && $(<"$marker") == "$contents" ]]; then
    exit
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch" # as root, apt fetches as a user of its own
mkdir "$scratch/state" "$scratch/cache"
touch "$scratch/status" # nothing is installed: all that is needed comes along
apt=(
    apt-get -qq -o "Dir::State=$scratch/state" -o "Dir::State::status=$scratch/status" -o "Dir::Cache=$scratch/cache"
    -o APT::Architecture=arm64 -o APT::Architectures::=arm64
)
"${apt[@]}" update
"${apt[@]}" install --download-only --yes --no-install-recommends "${packages[@]}"

rm -rf "$marker" "$folder/root" "$folder/site-packages"
mkdir -p "$folder/root"
for package in "$scratch"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder/root"
done
"${PYTHON:-python3}" -m pip install -qq --target "$folder/site-packages" --no-deps --no-compile --only-binary :all: \
    --python-version 3.11 --platform manylinux2014_aarch64 --platform manylinux_2_34_aarch64 "${wheels[@]}"
echo "$contents" >"$marker"
