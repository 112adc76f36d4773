# A person at a terminal: lines edited and remembered, commands, Ctrl-C, Ctrl-Z; and the terminal as it was afterwards.
. tests/cli/harness
. tests/cli/screen

needs_terminal "a terminal"
home_of_a_person
history="$dir/state/stoker/history"

# ---- lines ---------------------------------------------------------------------------------------------------------------
begin "'$stoker' run --temp 0$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys 'What is 9 + 4?\r'
see "an answer" '^9 \+ 4 = 13\.$'
see "a prompt again" '^> ' 2
keys 'Spell cats\177.\r'
see "an edited line" '^C-A-T\.$'
see "a prompt again" '^> ' 3
keys '\033[A\033[A\r'
see "the line before the last" '^9 \+ 4 = 13\.$' 2
see "a prompt again" '^> ' 4
keys '\022cat\r'
see "a line searched for" '^C-A-T\.$' 2
see "a prompt again" '^> ' 5
keys '\004'
ends "Ctrl-D" "$sane"
cat >"$dir/want" <<'END'
What is 9 + 4?
Spell cat.
What is 9 + 4?
Spell cat.
END
cmp -s "$dir/want" "$history" && pass || fail "the history" "$(cat "$history")"
[ "$(stat -c %a "$history")" = 600 ] && pass || fail "the history" "others may read it"

begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys '\033[A\r'
see "a line of the last time" '^C-A-T\.$'
see "a prompt again" '^> ' 2
keys '/quit\r'
ends "/quit" "$sane"

begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys '/bye\r'
ends "/bye" "$sane"

# Tab: commands, and the paths of those that take one
echo "a note" >"$HOME/notes [1].txt"
mkdir "$HOME/notable" "$HOME/other"
begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys '/s\t'
see "Tab where several commands begin so" '^system  set  stats  save  sessions$'
keys 'es\t\r'
see "Tab where one does" '^no conversation is kept yet|^> /sessions '
keys '/file ~/not\t'
see "Tab where several paths begin so" '^notable/  notes \[1\]\.txt$'
keys 'es\t\r'
see "Tab where one does" 'notes \[1\]\.txt'
keys '/file ~/oth\t'
see "Tab of a folder" '/file ~/oth.*er/'
keys '\025/quit\r'
ends "/quit" "$sane"
rm -r "$HOME/notes [1].txt" "$HOME/notable" "$HOME/other"

begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys 'Spell cat.\r'
see "an answer" '^C-A-T'
keys '\004'
ends "Ctrl-D before the prompt is there" "$sane"

# A file that has grown too long keeps its end.
awk 'BEGIN { for (i = 0; i < 30000; i++) printf "line %d of a history that is rather long by now\n", i }' >"$history"
begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys '\004'
ends "a long history" "$sane"
[ "$(wc -c <"$history")" -le 1048576 ] && [ "$(tail -n 1 "$history")" = "line 29999 of a history that is rather long by now" ] && pass ||
    fail "a long history" "$(wc -c <"$history") bytes"

# ---- commands ------------------------------------------------------------------------------------------------------------
begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys '/help\r'
see "/help" '^  /retry '
keys '/?\r'
see "/?" '^  /retry ' 2
keys '/nosuch\r'
see "an unknown command" '^/nosuch is no command; /help lists them$'
keys '/retry\r'
see "/retry too early" '^nothing was said yet$'
keys 'a\\\rb\r'
see "a line that goes on" '^\.\.\. b$'
see "a prompt again" '^> ' 6
keys '"""\rone\r/two\r"""\r'
see "a prompt again" '^> ' 7
keys "/save $dir/saved\\r"
see "a prompt again" '^> ' 8
keys '/clear\r/system Be brief.\r/retry\r'
see "/clear" '^nothing was said yet$' 2
keys "/save $dir/cleared\\r"
see "a prompt again" '^> ' 12
keys '/set top-k 1.5\r'
see "/set of what cannot be" '^top_k is 1\.5; it must be a whole number'
keys '/set nosuch 1\r/set temp\r/set nosuch\r/set temp x\r/set temp 1.5\r/set seed 7\r/set max-tokens 12\r/think off\r'
see "/set of nothing" '^nosuch is not a number of sampling$'
see "/set without a value" '^  temp [0-9.]+$'
see "/set of nothing without a value" '^nosuch is not a number of sampling; /set shows all of them$'
see "/set of no number" '^/set NAME VALUE'
see "a prompt again" '^> ' 21
keys 'Tell me a story.\r'
see "a prompt again" '^> ' 22
keys '/retry\r'
see "a prompt again" '^> ' 23
keys "/save $dir/retried\\r/load $dir/saved\\r/save $dir/loaded\\r/load $dir/absent\\r"
see "/load of nothing" 'absent: cannot be opened: No such file or directory'
keys '/stats\r'
see "/stats" '^statistics after answers: on$'
keys '\004'
ends "commands" "$sane"
grep -q '"content": "a\\nb"' "$dir/saved" && grep -q '"content": "one\\n/two"' "$dir/saved" && pass || fail "/save" "$(cat "$dir/saved")"
cmp -s "$dir/saved" "$dir/loaded" && pass || fail "/load" "what was saved is not what was loaded"
[ "$(grep -c '"role"' "$dir/cleared")" -eq 1 ] && grep -q '"Be brief."' "$dir/cleared" && pass || fail "/clear" "$(cat "$dir/cleared")"
[ "$(grep -c '"role"' "$dir/retried")" -eq 3 ] && pass || fail "/retry" "$(cat "$dir/retried")"
[ "$(screen | grep -A 1 -e '^> Tell me a story' -e '^> /retry' | grep -v '^>\|^--' | sort -u | wc -l)" -ge 3 ] && pass ||
    fail "/retry" "the same answer again"

# ---- messages of many lines ----------------------------------------------------------------------------------------------
# messages WHAT: those of the user in $dir/many, one a line, as JSON has them, are those of $dir/want
messages() {
    sed -n '/"user"/{n;s/^ *"content": //;p}' "$dir/many" >"$dir/got"
    cmp -s "$dir/want" "$dir/got" && pass || fail "$1" "$(cat "$dir/got")"
}
begin "'$stoker' run --temp 0 -n 2$after"
see "a banner" '^ember\.gguf \([a-z0-9]+\), context [0-9]+, memory [0-9.]+ MiB\. /help lists commands, Ctrl-D ends$'
see "a prompt" '^> '
keys '\033[200~int f(void)\r{\r\treturn 1; \\\r}\r\033[201~'
see "a paste of many lines" '> \[pasted 1: 4 lines\]$'
keys ' What is it?\r'
see "a prompt again" '^> ' 2
keys '\033[200~one line\r\033[201~, edited\r'
see "a paste of one line" '^> one line, edited$'
see "a prompt again" '^> ' 3
keys '\033[200~"""doc"""\rx = 1\033[201~\r'
see "a prompt again" '^> ' 4
keys 'a \033[200~1\r2\033[201~ b \033[200~3\r4\033[201~\r'
see "two pastes" '\[pasted [0-9]: 2 lines\]$'
see "a prompt again" '^> ' 5
keys 'first\033\rsecond\r'
see "Alt-Enter" '^\.\.\. second$'
see "a prompt again" '^> ' 6
keys '"""begin\rmiddle\\\rend"""\r'
see "a prompt again" '^> ' 7
keys 'Explain: """\rcode\r""" please\r'
see "a prompt again" '^> ' 8
keys '"""all"""\r'
see "a prompt again" '^> ' 9
printf 'a file\n```\n' >"$dir/file.c"
keys "/file $dir/absent\\r"
see "/file of nothing" 'absent: cannot be opened'
keys "/file $dir/file.c\\r"
see "/file" '^file.c, 10 bytes, goes before your next message$'
see "a prompt again" '^> ' 11
keys 'Explain it.\r'
see "a prompt again" '^> ' 12
cat >"$dir/editor" <<'END'
#!/bin/sh
case $(cat "$1") in
wait*)
    n=0
    trap 'n=$((n + 1)); echo "the editor had $n"' INT
    echo "the editor waits"
    while [ $n -lt 2 ]; do read -r line; done
    ;;
fail*) echo written >>"$1" && exit 1 ;;
esac
echo changed >>"$1"
END
chmod +x "$dir/editor"
keys '/edit draft \r'
see "/edit" '^draftchanged$'
see "a prompt again" '^> ' 13
keys '/edit wait \r'
see "/edit" '^the editor waits$'
keys '\003'
see "Ctrl-C in the editor" 'the editor had 1$'
keys '\003'
see "Ctrl-C in the editor, twice" 'the editor had 2$'
see "Ctrl-C in the editor" '^waitchanged$'
see "a prompt again" '^> ' 14
[ -z "$(ls "$TMPDIR")" ] && pass || fail "/edit" "leaves $(ls "$TMPDIR")"
keys '/edit fail \r'
see "an editor that fails" '^the editor \(.*/editor\) ended with a failure$'
see "an editor that fails" "^nothing is sent; the text is in $TMPDIR/stoker-"
[ "$(cat "$TMPDIR"/stoker-*)" = failwritten ] && pass || fail "an editor that fails" "the text is lost"
keys "/save $dir/many\\r"
see "/save" "^[0-9]+ messages are in $dir/many$"
keys "/save $dir/many\\r"
see "/save again" "many is there; overwrite it\\? \\[y/N\\] "
keys 'n\r'
see "/save again" '^nothing was saved$'
question='many is there; overwrite it\? \[y/N\] '
keys "/save $dir/many\\r"
see "/save again" "$question" 2
keys '\004'
see "Ctrl-D at a question" '^nothing was saved$' 2
keys "/save $dir/many\\r"
see "a question behind Ctrl-D" "$question" 3
keys '\003'
see "Ctrl-C at a question" '^nothing was saved$' 3
keys "/save $dir/many\\r"
see "a question behind Ctrl-C" "$question" 4
keys 'y\r'
see "a question behind Ctrl-C" "^[0-9]+ messages are in $dir/many$" 2
keys '/system Be brief.\r/system\r/set temp 0.5\r/set top_n_sigma 1.5\r/set repeat-last-n 9\r/set\r/system off\r/system\r'
see "/system" '^system message: Be brief\.$'
see "/set" '^  temp 0\.5$'
see "/set" '^  top_n_sigma 1\.5$'
see "/set" '^  repeat_last_n 9$'
see "/set" '^  max_tokens 2$'
keys '/set max_tokens 0\r/set max_tokens 1.5\r/set max_tokens -1\r/set\r'
see "/set max_tokens 0" '^/set max_tokens 0: whole numbers from 1 to 1073741824 are possible, and -1: no limit$'
see "/set max_tokens 1.5" '^/set max_tokens 1\.5: whole numbers'
see "/set max_tokens -1" '^  max_tokens -1$'
see "/system off" '^there is no system message; /system TEXT sets one$'
keys '\004'
ends "messages of many lines" "$sane"
cat >"$dir/want" <<'END'
"int f(void)\n{\n\treturn 1; \\\n} What is it?"
"one line, edited"
"\"\"\"doc\"\"\"\nx = 1"
"a 1\n2 b 3\n4"
"first\nsecond"
"begin\nmiddle\\\nend"
"Explain: \ncode\n please"
"all"
"file.c\n````\na file\n```\n````\n\nExplain it."
"draftchanged"
"waitchanged"
END
messages "messages of many lines"
grep -q pasted "$history" && fail "the history" "remembers a mark" || pass

# ---- a paste comes back, in this chat and in the next one ----------------------------------------------------------------------
rm -f "$history"
begin "'$stoker' run --session pasted --temp 0 -n 2$after"
see "a prompt" '^> '
keys 'Explain: \033[200~a\r\tb\033[201~ now\r'
see "a prompt again" '^> ' 2
keys '\033[A again\r'
see "a paste of the history" '\[pasted 1: 2 lines\] now again$'
see "a prompt again" '^> ' 3
keys '\004'
ends "a paste of the history" "$sane"
begin "'$stoker' run --session pasted --temp 0 -n 2$after"
see "where one left off" '^  you: Explain: a  b now again$'
see "a prompt" '^> '
keys '\033[A and again\r'
see "a paste of the last time" '\[pasted earlier [0-9]: 2 lines\] now again and again$'
see "a prompt again" '^> ' 2
keys '\033[200~c\rd\033[201~'
see "the first paste of a chat" '^> \[pasted 1: 2 lines\]$'
keys '\025'
keys '/sessions\r'
see "/sessions" '^pasted +6  [0-9]{4}-'
keys '/set\r'
see "/set" '^  min_keep 1$'
keys '\004'
ends "a paste of the last time" "$sane"
[ "$(grep -c 'Explain: a\\n\\tb now' "$dir/state/stoker/sessions/pasted.json")" -eq 3 ] && pass ||
    fail "pastes of the history" "$(grep Explain "$dir/state/stoker/sessions/pasted.json")"

# ---- what was pasted means nothing, what was typed around it does ----------------------------------------------------------
prompts=1
# says TEXT: keys, and then there is another prompt
says() {
    prompts=$((prompts + 1))
    keys "$1"
    see "a prompt behind $1" '^> ' $prompts
}
paste() { printf '%s' "\\033[200~$1\\033[201~"; }
begin "'$stoker' run --temp 0 -n 2$after"
see "a prompt" '^> '
says "$(paste '"""doc"""\rx = 1')\\033\\rmore\\r"
says "$(paste '"""Docstring."""')\\r"
says "$(paste 'C:\\dir\\')\\r"
says "Look at $(paste 'D:\\dir\\')\\r"
says "$(paste '/usr is a folder')\\r"
says "$(paste '"""')\\025\"\"\"two\\rlines\"\"\"\\r"
says "\"\"\"$(paste '"""a\rb"""')\"\"\"\\r"
rm -f "$dir/many"
says "$(paste 'f()\r{}\r')What is it?\\r"
says "Look:$(paste '1\r2')\\r"
says "a $(paste '1\r2') b $(paste '3\r4')\\177\\177\\r"
says "a $(paste '1\r2') b $(paste '3\r4')\\033\\177\\r"
see "the mark of a paste, its end gone" '^the mark of a paste was edited, so nothing is sent; paste again$'
says "$(paste '1\r2') b\\001\\004\\r"
see "the mark of a paste, its beginning gone" '^the mark of a paste was edited, so nothing is sent; paste again$' 2
says "$(paste '1\r2')\\025no paste\\r"
says '"""/quit"""\r'
says "/system $(paste 'Be\rbrief.')\\r"
says '/system\r'
see "/system and a paste" '^system message: Be$'
says '/system """\r  Be kind\rand brief.\r"""\r'
says '/system\r'
see "/system and quotes" '^system message: Be kind$'
says '/system """Be\rbold."""\r'
says '/system\r'
see "/system and quotes on its line" '^bold\.$'
says '/stats \\\rnow\r'
see "a command of two lines" '^/stats takes one line; /help lists them$'
says '/nosuch \\\rb\r'
says '/save ~/a file\r'
see "a file in the home folder" "messages are in $HOME/a file$"
says '/load "~/a file"\r'
says "/file '$HOME/a file'\\r"
see "a file in quotes" '^a file, [0-9]+ bytes, goes before your next message$'
shows 'unable to open|no list' && fail "a file in quotes" "cannot be loaded" || pass
says "/save $(paste "$dir/many")\\r"
keys '\004'
ends "pastes" "$sane"
cat >"$dir/want" <<'END'
"\"\"\"doc\"\"\"\nx = 1\nmore"
"\"\"\"Docstring.\"\"\""
"C:\\dir\\"
"Look at D:\\dir\\"
"/usr is a folder"
"two\nlines"
"\"\"\"a\nb\"\"\""
"f()\n{}\nWhat is it?"
"Look:\n1\n2"
"a 1\n2 b"
"no paste"
"/quit"
"/nosuch \nb"
END
messages "pastes"

# ---- what people type who know other programs -----------------------------------------------------------------------------
prompts=1
begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
says '/set parameter temperature 0.5\r'
says '/set parameter num_predict 20\r'
says '/set parameter\r'
see "/set parameter" '^  temp 0\.5$'
see "/set parameter" '^  max_tokens 20$'
says '/set system Be brief.\r'
says '/show system\r'
see "/set system" '^system message: Be brief\.$'
says '/set system """Be kind.\rBe bold."""\r'
says '/show system\r'
see "/set system and quotes" '^system message: Be kind\.$'
see "/set system and quotes" '^Be bold\.$'
says '/set verbose\r'
see "/set verbose" '^statistics after answers: on$'
says '/set quiet\r'
see "/set quiet" '^statistics after answers: off$'
says '/set think\r'
says '/show parameters\r'
see "/set think" '^  think on$'
says '/set nothink\r'
says '/set\r'
see "/set nothink" '^  think off$'
says '/set parameter num_ctx 4096\r'
see "/set parameter num_ctx" '^num_ctx is what stoker began with; start it again with --ctx N$'
says '/set format json\r'
see "/set format" '^format is a flag: --json-schema FILE\|JSON$'
says '/set history\r'
see "/set history" '^history has no meaning here$'
says '/set system\r'
see "/set system without a text" '^system message: Be kind\.$' 2
says '/show info\r'
see "/show info" 'stoker inspect MODEL\.gguf what is in a file$'
says '/regen\r'
see "/regen too early" '^nothing was said yet$'
says "/read $dir/absent\\r"
see "/read of nothing" 'absent: cannot be opened'
keys '/bye\r'
ends "words of other programs" "$sane"

# ---- tools ----------------------------------------------------------------------------------------------------------------
cat >"$dir/weather" <<END
[{"type": "function", "function": {"name": "get_weather", "description": "Get the current weather of a city.", "parameters": {"type": "object",
  "properties": {"city": {"type": "string", "description": "City name"}}, "required": ["city"]}}, "command": "cat >$dir/asked; echo rain"}]
END
begin "'$stoker' run --temp 0 --tools '$dir/weather'$after"
see "a hint" '/help lists commands'
see "a prompt" '^> '
keys 'What is the weather in Bergen?\r'
see "a call" '^call: get_weather \{"city": "Bergen"\}$'
see "its command" "^command: cat >$dir/asked; echo rain$"
see "a question" '^run it\? '
keys 'y\r'
see "its result" '^result: rain$'
see "a prompt again" '^> ' 2
[ "$(cat "$dir/asked")" = '{"city": "Bergen"}' ] && pass || fail "a command" "gets other arguments"
keys 'What is the weather in Oslo?\r'
see "another call" '^call: get_weather' 2
see "a question again" '^run it\? ' 2
keys 'n\r'
see "what it is asked for" 'result \(empty: none\)' 1
keys '\r'
see "a prompt once more" '^> ' 3
keys '\004'
ends "tools" "$sane"

# ---- a context that is full ------------------------------------------------------------------------------------------------
prompts=1
begin "'$stoker' run --temp 0 -n 2 --ctx 128$after"
see "a prompt" '^> '
printf 'a file' >"$dir/small"
says "/file $dir/small\\r"
says "$(awk 'BEGIN { for (i = 0; i < 150; i++) printf "word " }')\\r"
see "a message that is too long" 'the prompt has [0-9]+ tokens, the context 128; try --ctx'
see "a file before a message that failed" '^what /file attached waits for the next message; /file off drops it$'
shows '^/clear forgets' && fail "a first message that is too long" "is told of /clear" || pass
says 'Explain it.\r'
says "/file $dir/small\\r"
says '/file off\r'
says 'Spell cat.\r'
says "$(awk 'BEGIN { for (i = 0; i < 100; i++) printf "word " }')\\r"
see "a conversation that is too long" '^/clear forgets the conversation; to keep it: /save FILE, start again with --ctx N, /load FILE$'
rm -f "$dir/many"
says "/save $dir/many\\r"
keys '\004'
ends "a context that is full" '^ended 1 echo icanon isig$'
cat >"$dir/want" <<'END'
"small\n```\na file\n```\n\nExplain it."
"Spell cat."
END
messages "a file before a message that failed"
awk 'BEGIN { for (i = 0; i < 1500; i++) printf "word " }' >"$dir/large"
prompts=1
begin "'$stoker' run --temp 0 -n 2$after"
see "a prompt" '^> '
says 'Spell cat.\r'
says "/file $dir/large\r"
says 'Explain it.\r'
see "more than the model was trained on" '^/clear forgets the conversation, /save FILE keeps it; the model was not trained on longer ones$'
keys '\004'
ends "more than the model was trained on" '^ended 1 echo icanon isig$'

# ---- lines of an answer ----------------------------------------------------------------------------------------------------
# What a terminal of 40 columns shows where words were taken back.
broken() {
    screen | awk '{ if (match($0, /\033\[[0-9]+G\033\[K$/)) $0 = substr($0, 1, substr($0, RSTART + 2, RLENGTH - 6) - 1); print }' | grep -v '^ended'
}
ask="'$stoker' run -p 'What does --memory do?' --temp 0 </dev/null"
"$stoker" run -p 'What does --memory do?' --temp 0 </dev/null >"$dir/whole" 2>/dev/null
begin "stty cols 40; $ask$after"
ends "an answer of long lines" "$sane"
broken >"$dir/lines"
[ "$(wc -l <"$dir/lines")" -ge 4 ] && [ "$(tr '\n' ' ' <"$dir/lines" | tr -s ' ')" = "$(tr '\n' ' ' <"$dir/whole")" ] &&
    ! grep -Eq '.{41}' "$dir/lines" && pass || fail "an answer of long lines" "$(cat "$dir/lines")"
for flag in --no-wrap --nowordwrap; do
    begin "stty cols 40; ${ask%<*} $flag </dev/null$after"
    ends "$flag" "$sane"
    screen | grep -v '^ended' | cmp -s - "$dir/whole" && pass || fail "$flag" "$(screen)"
done

# ---- one prompt ------------------------------------------------------------------------------------------------------------
begin "'$stoker' run -p - --temp 0$after"
see "what is waited for" '^type the prompt; Ctrl-D ends it$'
keys 'Spell cat.\r\004'
see "a prompt that one Ctrl-D ends" '^C-A-T\.$'
ends "a prompt typed" "$sane"

# ---- a prompt that takes time ----------------------------------------------------------------------------------------------
long=$(awk 'BEGIN { for (i = 0; i < 480; i++) printf "word " }')
begin "'$stoker' run -p '$long' -n 2 --temp 0 --chunk 16 --threads 1 --cpu-tier scalar --exact </dev/null$after"
raw() { tr '\r' '\n' <"$dir/out" | grep -Eq -- '^reading the prompt: [1-9][0-9]* of [0-9]+ tokens, [0-9.]+ tokens/s, [0-9]+ s left'; }
wait_for $limit raw && pass || fail "progress" "nothing is said of a prompt being read"
ends "progress" "$sane"
shows 'reading the prompt' && fail "progress" "its line stays" || pass

begin "stty cols 30; '$stoker' run -p '$long' -n 2 --temp 0 --chunk 16 --threads 1 --cpu-tier scalar --exact </dev/null$after"
lines() { tr '\r' '\n' <"$dir/out" | sed -n 's/\x1b\[K.*//; /^reading the prompt/p'; }
narrow() { lines | grep -q '^reading the prompt: [1-9]'; }
wait_for $limit narrow && pass || fail "progress on a narrow terminal" "nothing is said of a prompt being read"
ends "progress on a narrow terminal" "$sane"
[ "$(lines | awk 'length > n { n = length } END { print n }')" -eq 29 ] && pass ||
    fail "progress on a narrow terminal" "its line is not cut at 29 columns"

# ---- Ctrl-C, Ctrl-Z, the end ---------------------------------------------------------------------------------------------
begin "'$stoker' run --temp 0 --ignore-eos --cpu-tier scalar --exact$after"
see "a prompt" '^> '
keys 'a line that is dropped'
see "a line" 'is dropped'
keys '\003'
see "Ctrl-C on a line" '\^C$'
keys 'What is 9 + 4?\r'
see "an answer" '^9 \+'
keys '\003'
see "Ctrl-C in an answer" '^\(stopped\)$'
see "a prompt again" '^> ' 3
keys '\003'
ends "Ctrl-C on an empty line" "$sane"

# Reasoning is dim, and nothing else: not what comes after Ctrl-C, not what comes after the program.
close=$("$stoker" tokenize "$ember" '</think>')
exact="--temp 0 --think on --logit-bias $close=-inf --ignore-eos --cpu-tier scalar --exact"
begin "sh -c 'echo \$\$ >$dir/pid; exec $stoker run $exact'$after"
see "a prompt" '^> '
keys 'What is 9 + 4?\r'
see "reasoning, dimmed" '.\[2m9 plus'
keys '\003'
see "Ctrl-C in reasoning" '.\[0m$'
see "Ctrl-C in reasoning" '^\(stopped\)$'
keys 'What is 9 + 4?\r'
see "reasoning, dimmed" '.\[2m9 plus' 2
kill -TERM "$(cat "$dir/pid")"
see "SIGTERM in reasoning" '.\[0m$' 2
ends "SIGTERM in reasoning" '^ended 143 echo icanon isig$'

long=$(awk 'BEGIN { for (i = 0; i < 480; i++) printf "word " }')
begin "sh -c 'echo \$\$ >$dir/pid; exec $stoker run $exact --threads 1'$after"
see "a prompt" '^> '
keys "$long\\r"
see "a long line" 'word word.*word word'
wait_for $limit eval 'kill -INT "$(cat "$dir/pid")" 2>/dev/null; kill -INT "$(cat "$dir/pid")" 2>/dev/null; shows "ended 1"'
ends "Ctrl-C twice" 'ended 130 echo icanon isig$'

for signal in TERM HUP; do
    begin "sh -c 'echo \$\$ >$dir/pid; exec $stoker run'$after"
    see "a prompt" '^> '
    kill -$signal "$(cat "$dir/pid")"
    see "SIG$signal" '^ended|ended 1[0-9]+ echo icanon isig'
    ends "SIG$signal" 'ended 1[0-9]+ echo icanon isig$'
done

# Several signals in one wait: none is lost, and the one that ends the program does.
begin "sh -c 'echo \$\$ >$dir/pid; exec $stoker run'$after"
see "a prompt" '^> '
for signal in STOP WINCH TERM INT CONT; do
    kill -$signal "$(cat "$dir/pid")"
done
see "several signals at a time" '^ended'
ends "several signals at a time" 'ended 143 echo icanon isig$'

if command -v bash >/dev/null; then
    begin "exec bash -c 'set -m; $stoker run --temp 0; stty -a | grep -Eo -- \"-?icanon\"; fg >/dev/null; true$after'"
    see "a prompt" '^> '
    keys 'Spell'
    see "half a line" '> Spell$'
    keys '\032'
    see "Ctrl-Z" 'icanon$'
    keys ' cat.\r'
    see "after Ctrl-Z" '^C-A-T\.$'
    keys '\004'
    ends "after Ctrl-Z" "$sane"
else
    skip "Ctrl-Z" "there is no bash"
fi

# ---- what was computed of a conversation that is saved -------------------------------------------------------------------
rm -r "$dir/cache"
begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys 'What is 9 + 4?\r'
see "an answer" '^9 \+ 4 = 13\.$'
see "a prompt again" '^> ' 2
keys '\004'
ends "a chat that is not saved" "$sane"
[ -z "$(find "$dir/cache" -name '*.sk')" ] && pass || fail "a chat that is not saved" "what was computed of it was written"

begin "'$stoker' run --temp 0$after"
see "a prompt" '^> '
keys 'What is 9 + 4?\r'
see "an answer" '^9 \+ 4 = 13\.$'
see "a prompt again" '^> ' 2
keys "/save $dir/kept\\r"
see "/save" '2 messages are in'
keys '\004'
ends "a chat that is saved" "$sane"
[ -n "$(find "$dir/cache" -name '*.sk')" ] && pass || fail "/save" "nothing that was computed was written"

computed() { screen | sed -n 's/^prompt \([0-9]*\) tokens in.*/\1/p' | tail -n 1; }
for folder in "$dir/cache" "$dir/none"; do
    export XDG_CACHE_HOME="$folder"
    begin "'$stoker' run --temp 0 --stats$after"
    see "a prompt" '^> '
    keys "/load $dir/kept\\r"
    see "/load" '^2 messages$'
    keys 'Spell cat.\r'
    see "an answer" '^C-A-T\.$'
    [ "$folder" = "$dir/none" ] || known=' and [0-9]+ known'
    see "statistics" "^prompt [0-9]+ tokens in [0-9.]+ s \\([0-9.]+ tok/s\\)$known, answer"
    known=''
    keys '\004'
    ends "after /load" "$sane"
    echo "$(computed)" >>"$dir/computed"
done
awk 'NR == 1 { known = $1 } NR == 2 { exit !(known + 16 <= $1) }' "$dir/computed" && pass ||
    fail "/load" "computes $(head -n 1 "$dir/computed") tokens, without files $(tail -n 1 "$dir/computed")"

begin "'$stoker' run --temp 0 --session chat$after"
see "a new conversation" '^a new conversation, kept in .*/sessions/chat.json$'
see "a prompt" '^> '
keys 'Spell cat.\r'
see "an answer" '^C-A-T\.$'
see "a prompt again" '^> ' 2
keys '\004'
ends "a conversation with a name" "$sane"
begin "'$stoker' run --temp 0 --session chat$after"
see "what was said" '^2 messages so far are in .*/sessions/chat.json$'
keys '/retry\r'
see "/retry" '^C-A-T\.$'
see "a prompt again" '^> ' 2
keys '/clear\r'
see "a prompt again" '^> ' 3
keys '\004'
ends "a conversation with a name" "$sane"
grep -qs role "$dir/state/stoker/sessions/chat.json" && fail "/clear" "the conversation is kept" || pass
grep -q role "$dir/state/stoker/sessions/chat.json.1" && pass || fail "/clear" "what was said before is lost"
[ ! -e "$dir/state/stoker/sessions/chat.json.2" ] && pass || fail "/clear" "what is empty is put aside"

# ---- terminals that cannot edit ------------------------------------------------------------------------------------------
begin "TERM=dumb '$stoker' run --temp 0$after"
see "a prompt" '^> '
keys 'What is 9 + 4?\r'
see "a dumb terminal" '^9 \+ 4 = 13\.$'
keys '\004'
ends "a dumb terminal" "$sane"

begin "'$stoker' run --temp 0 >$dir/answers$after"
see "a prompt" '^> '
keys 'What is 9 + 4?\r'
see "a prompt again" '^> ' 2
keys '\004'
ends "answers to a file" "$sane"
[ "$(cat "$dir/answers")" = "9 + 4 = 13." ] && pass || fail "answers to a file" "$(cat "$dir/answers")"

done_testing
