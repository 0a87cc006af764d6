#!/bin/sh
# usage: embed.sh OUTPUT.swift ROLES.sql MIGRATION.sql...
# Writes the files, byte for byte, as string literals of a Swift enum.
set -eu
output=$1 roles=$2
shift 2

# The empty line that `echo` adds is the end of the last line: the literal's own last line break does not count.
literal() {
    if grep -q '"""#####' "$1"; then echo "$1: \"\"\"##### cannot be embedded" >&2; exit 1; fi
    echo '#####"""'
    cat "$1"
    echo
    echo '"""#####'
}

{
    echo "// Made by Plugins/EmbedMigrations from the SQL files; edit those."
    echo "enum EmbeddedSQL {"
    echo "static let roles ="
    literal "$roles"
    echo "static let migrations: [(file: String, sql: String)] = ["
    for file in "$@"; do
        echo "(file: \"$(basename "$file")\", sql:"
        literal "$file"
        echo "),"
    done
    echo "]"
    echo "}"
} >"$output.new"
mv "$output.new" "$output"
