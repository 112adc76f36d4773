# What Project NOMAD sends, line by line (tests/nomad.c): where there is no network, in a namespace that has only the loopback.
. tests/cli/harness

touch "$dir/out" "$dir/err"
lonely() { unshare -rn sh -c 'ip link set lo up && exec "$@"' sh "$@"; }
plainly() { "$@"; }
if command -v unshare >/dev/null && command -v ip >/dev/null && lonely true 2>/dev/null; then
    where=lonely
else
    skip "no network" "no network namespace can be made (unshare -rn, ip)"
    where=plainly
fi
export STOKER="$stoker"
$where "${BUILD:-build}/tests/nomad" tests/data/nomad-calls.jsonl "$data/embeddings/nomic-bert.gguf" >"$dir/out" 2>"$dir/err" && pass ||
    fail "the calls" "are not answered as they should be: $(grep -v '^ok' "$dir/out" | head -n 5)"
done_testing
