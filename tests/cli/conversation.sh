# Conversations that have a name: kept after each answer, continued by the next run, with what was computed of them.
. tests/cli/harness

export XDG_STATE_HOME="$dir/state" XDG_CACHE_HOME="$dir/cache" HOME="$dir/home"
mkdir "$HOME"
file="$dir/state/stoker/sessions/one.json"
figure() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$dir/out"; }
messages() { grep -c '"role"' "$file"; }

run run --session one --temp 0 --json -p 'What is 9 + 4?'
is "a new one" 0 '"cached_tokens":0,' ""
run run --session one --temp 0 --json -p 'Spell cat.'
is "goes on" 0 'C-A-T' ""
[ "$(figure prompt_tokens)" -gt 30 ] && pass || fail "goes on" "the prompt has $(figure prompt_tokens) tokens"
[ "$(figure cached_tokens)" -ge 16 ] && pass || fail "goes on" "only $(figure cached_tokens) tokens were known"
[ "$(messages)" -eq 4 ] && pass || fail "goes on" "$(messages) messages are kept"
[ "$(stat -c %a "$dir/state/stoker/sessions")" = 700 ] && pass || fail "the folder" "others may read it"

printf 'What is 9 + 4?\nSpell cat.\n' >"$dir/in"
run run --session one --lines --temp 0
rm "$dir/in"
is "lines" 0 '^C-A-T\.$' ""
[ "$(messages)" -eq 8 ] && pass || fail "lines" "$(messages) messages are kept"

run run --session one --system 'Be brief.' --temp 0 -p 'Spell cat.'
[ "$(messages)" -eq 11 ] && grep -q 'Be brief' "$file" && pass || fail "a system message" "$(messages) messages are kept"
run run --session one --temp 0 -p 'Spell cat.'
[ "$(grep -c '"system"' "$file")" -eq 1 ] && pass || fail "a system message" "is not kept as it was"

# What fails changes nothing.
cp "$file" "$dir/before"
run run --session one --temp 0 -p ''
cmp -s "$file" "$dir/before" && pass || fail "an empty prompt" "the conversation was changed"

# Memory for keeping what was computed was not asked for: it gives way, and that is said. With it the least is what plan --cache-dir says.
least=$("$stoker" plan --memory min --json | sed -n 's/.*"total": *\([0-9]*\).*/\1/p')
for memory in "$least" min; do
    run run --session one --memory "$memory" --temp 0 --json -p 'Spell cat.'
    is "the least memory, $memory" 0 '"cached_tokens":0,' '^stoker: the conversation is kept, but not what is computed of it: that takes more --memory$'
done
run run --memory min --stats --temp 0 -p 'Spell cat.'
sed -n 's/^memory \([0-9.]* [MG]iB\):.*/\1/p' "$dir/err" >"$dir/planned"
run run --session one --memory min --stats --temp 0 -p 'Spell cat.'
sed -n 's/^memory \([0-9.]* [MG]iB\):.*/\1/p' "$dir/err" | cmp -s - "$dir/planned" && [ -s "$dir/planned" ] && pass || fail "--memory min" "is more in a session"
with=$("$stoker" plan --memory min --cache-dir "$dir/absent" --json | sed -n 's/.*"total": *\([0-9]*\).*/\1/p')
run run --session one --memory "$with" --temp 0 --json -p 'Spell cat.'
is "the least memory with a folder" 0 . ""
run run --session one --memory $((with - 1)) --temp 0 --json -p 'Spell cat.'
is "less" 0 . 'that takes more --memory$'
XDG_CACHE_HOME=/proc/none run run --session one --temp 0 --json -p 'Spell cat.'
is "no folder for what was computed" 0 '"cached_tokens":0,' ""

mkdir "$dir/odd" "$dir/odd/stoker"
: >"$dir/odd/stoker/prefixes"
XDG_CACHE_HOME=$dir/odd run run --session one --temp 0 --json -p 'Spell cat.'
is "a file in that folder's place" 0 '"cached_tokens":0,' ""

# They are listed, the last one first.
run run --session short -n 1 --temp 0 -p "$(printf 'Spell cat,\nand then everything else that there is to be spelt, one by one.')"
run run --sessions
is "a list" 0 '^short +2  [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5}  Spell cat, and then everything else that there is to be spel\.\.\.$' ""
is "a list" 0 "^one +$(messages)  [0-9]{4}-.*  What is 9 \+ 4\?$" ""
[ "$(wc -l <"$dir/out")" -eq 2 ] && head -n 1 "$dir/out" | grep -q '^short' && pass || fail "a list" "is not the two, the last one first"
run run --forget short
is "a conversation that is forgotten" 0 "" ""
[ -e "$dir/state/stoker/sessions/short.json" ] || [ -e "$dir/state/stoker/sessions/short.json.lock" ] && fail "--forget" "leaves a file" || pass
echo '[]' >"$dir/state/stoker/sessions/short.json.2"
run run --forget short
is "one of which something was put aside" 0 "" ""
[ ! -e "$dir/state/stoker/sessions/short.json.2" ] && pass || fail "--forget" "leaves what was put aside"
run run --forget short
is "one that is not there" 1 "" "^stoker run: --forget short: there is no such conversation; --sessions lists what is kept$"
run run --forget ../one
is "--forget of a path" 2 "" "is a name of at most"
flock "$file.lock" "$stoker" run --forget one >"$dir/out" 2>"$dir/err"
status=$?
is "one that is open" 1 "" "^stoker run: --session one is open in another stoker"
[ -e "$file" ] && pass || fail "--forget" "removes what is open"
XDG_STATE_HOME=$dir/none run run --sessions
is "an empty list" 0 "" "^no conversation is kept yet; stoker run --session NAME keeps one$"

# ---- refusals ------------------------------------------------------------------------------------------------------------
for name in ../a a/b .a '' "$(printf %0101d 0)" "a b"; do
    run run --session "$name" -p x
    is "name $name" 2 "" "^stoker run: --session \(and --forget\) is a name of at most 100 letters"
done
env -u HOME -u XDG_STATE_HOME "$stoker" run --session one -p x </dev/null >"$dir/out" 2>"$dir/err"
status=$?
is "no place" 1 "" "^stoker run: --session needs a place: set HOME or XDG_STATE_HOME$"
XDG_STATE_HOME=/proc/none run run --session one -p x
is "a place that cannot be" 1 "" "^stoker run: --session one: /proc/none/stoker/sessions/one.json.lock cannot be written: "

exec 9>"$file.lock"
if flock -n 9 2>/dev/null; then
    run run --session one -p x
    is "two at a time" 1 "" "^stoker run: --session one is open in another stoker; end that one, or take another name$"
else
    skip "two at a time" "there is no flock"
fi
exec 9>&-

for text in '' '[' '{}' '[1]' '[{"role":1}]' '{"messages":[]}'; do
    printf %s "$text" >"$file"
    run run --session one -p x
    is "damaged: $text" 1 "" 'one\.json: '
    [ "$(cat "$file")" = "$text" ] && pass || fail "damaged: $text" "was overwritten"
done
rm "$file"
mkdir "$file"
run run --session one -p x
is "a folder in its place" 1 "" 'one\.json'
rmdir "$file"

ln -s /proc/none/two "$file"
run run --session one --temp 0 -p 'Spell cat.'
is "a conversation that cannot be written" 1 '^C-A-T\.$' 'sessions/one\.json cannot be written: '
rm "$file"

# ---- it is there whole whatever happens to the program -----------------------------------------------------------------
run run --session two --temp 0 -p 'Spell cat.'
two="$dir/state/stoker/sessions/two.json"
for i in 1 2 3 4 5 6 7 8 9 10; do
    "$stoker" run --session two --temp 0 -n 4 -p "Number $i" </dev/null >/dev/null 2>&1 &
    sleep 0.0$i
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    tail -c 2 "$two" | grep -q ']' && head -c 1 "$two" | grep -q '\[' || fail "killed" "the conversation is not whole"
done
run run --session two --temp 0 -p 'Spell cat.'
is "after all that" 0 '.' ""
[ "$(stat -c %a "$two")" = 600 ] && pass || fail "the conversation" "others may read it"

# ---- a full disk is told once, and nothing else changes ---------------------------------------------------------------------
mkdir "$dir/full"
if mount -t tmpfs -o size=128k none "$dir/full" 2>/dev/null; then
    trap 'umount "$dir/full"; rm -rf "$dir"' EXIT
    printf 'What is 9 + 4?\nSpell cat.\nSpell dog.\n' >"$dir/in"
    run run --lines --temp 0 --cache-dir "$dir/full"
    is "a full disk" 0 '^C-A-T\.$' '^stoker: warning: --cache-dir: the disk is full; no prefix is written for 60 s$'
    [ "$(wc -l <"$dir/err")" -eq 1 ] && pass || fail "a full disk" "it is told more than once"
    rm "$dir/in"
else
    skip "a full disk" "a small file system cannot be mounted"
fi

done_testing
