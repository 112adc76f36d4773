# What a chat at a terminal replaces, or fails at, is not lost.
. tests/cli/harness
. tests/cli/screen

needs_terminal "a terminal"
home_of_a_person
sessions="$dir/state/stoker/sessions"
prompts=0
says() { # says TEXT: keys, and then there is another prompt
    keys "$1"
    prompts=$((prompts + 1))
    see "a prompt behind $1" '^> ' $((prompts + 1))
}
many=$(awk 'BEGIN { for (i = 0; i < 150; i++) printf "word " }')

# ---- an answer, a draft ----------------------------------------------------------------------------------------------------
printf '#!/bin/sh\necho "%s" >"$1"\n' "$many" >"$dir/editor"
chmod +x "$dir/editor"
echo "a note" >"$dir/it's.txt"
begin "'$stoker' run --temp 0 -n 2 --ctx 128$after"
see "a prompt" '^> '
says 'Spell cat.\r'
says "/system $many\\r"
says '/retry\r'
see "another answer that fails" 'the prompt has [0-9]+ tokens, the context 128'
says '/system off\r'
says "/save $dir/saved\\r"
see "another answer that fails" '^2 messages are in '
says '/edit\r'
see "a draft that fails" 'the prompt has [0-9]+ tokens, the context 128' 2
see "a draft that fails" "^nothing is sent; the text is in $TMPDIR/stoker-"
grep -q 'word word' "$TMPDIR"/stoker-* && pass || fail "a draft that fails" "the text is lost"
says "/file '$dir/it'\\\\''s.txt'\\r"
see "a path in quotes of a shell" "^it's.txt, 6 bytes, goes before"
says '/set think off\r/set\r'
see "/set think off" '^  think off$'
keys '/set verbose off\r'
see "/set verbose off" '^statistics after answers: off$'
keys '\004'
ends "an answer and a draft" "$sane"

# ---- a conversation with a name --------------------------------------------------------------------------------------------
echo '[{"role": "user", "content": "loaded"}]' >"$dir/other"
prompts=0
begin "'$stoker' run --temp 0 -n 2 --session kept$after"
see "a prompt" '^> '
says 'Spell cat.\r'
says "/load $dir/absent\\r"
[ ! -e "$sessions/kept.json.1" ] && pass || fail "/load of nothing" "puts the conversation aside"
says "/load $dir/other\\r"
see "/load" "^what was said before is in $sessions/kept\\.json\\.1 "
see "/load" '^1 message$'
says "/load $dir/other\\r"
keys '\004'
ends "/load" "$sane"
grep -q 'Spell cat' "$sessions/kept.json.1" && pass || fail "/load" "what was said before is lost"
grep -q loaded "$sessions/kept.json" && pass || fail "/load" "is not what is kept"
run run --forget kept
is "--forget" 0 "" ""
[ -z "$(ls "$sessions")" ] && pass || fail "--forget" "leaves $(ls "$sessions")"
done_testing
