# What the scripts share: where the clone is, how they speak, how they fail. Sourced, never run.
# shellcheck shell=bash

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly root
readonly venv="$root/.venv"

# Colour only for people.
if [ -t 2 ]; then bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'; else bold='' red='' plain=''; fi

# say TEXT...: one line of progress, on stderr so that stdout stays for results.
say() { printf '%s%s:%s %s\n' "$bold" "$(basename "$0")" "$plain" "$*" >&2; }

# fail TEXT...: says what is wrong and what to do, and ends the script.
fail() {
    printf '%s%s: %s%s\n' "$red" "$(basename "$0")" "$*" "$plain" >&2
    exit 1
}

# clock SECONDS: as m:ss.
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
