# Files of settings and the environment: which of them holds, what each flag takes, what is refused and where; nothing left out in silence.
. tests/cli/harness

export XDG_CONFIG_HOME="$dir/home"
user=$XDG_CONFIG_HOME/stoker/stoker.toml
mkdir -p "$XDG_CONFIG_HOME/stoker"
unset STOKER_CONFIG STOKER_NO_CONFIG
settings() { cat >"$user"; }

# ---- precedence: of every set of places, the highest holds -----------------------------------------------------------------
# From the least to the most: user's file, its [run]; --config, its [run]; STOKER_CTX, STOKER_RUN_CTX; the flag.
wrong=
set_of=0
while [ $set_of -lt 128 ]; do
    has() { [ $((set_of >> $1 & 1)) -eq 1 ]; }
    : >"$user"
    : >"$dir/more.toml"
    value= from=default
    has 0 && echo 'ctx = 101' >>"$user" && value=101 from="$user:1"
    has 1 && printf '[run]\nctx = 102\n' >>"$user" && value=102 from="$user:$(wc -l <"$user")"
    has 2 && echo 'ctx = 103' >>"$dir/more.toml" && value=103 from="$dir/more.toml:1"
    has 3 && printf '[run]\nctx = 104\n' >>"$dir/more.toml" && value=104 from="$dir/more.toml:$(wc -l <"$dir/more.toml")"
    unset STOKER_CTX STOKER_RUN_CTX
    has 4 && export STOKER_CTX=105 && value=105 from=STOKER_CTX
    has 5 && export STOKER_RUN_CTX=106 && value=106 from=STOKER_RUN_CTX
    flag=
    has 6 && flag='--ctx 107' && value=107 from=flag
    run config run --config "$dir/more.toml" $flag
    if [ "$status" -ne 0 ] || [ "$(grep '^ctx' "$dir/out")" != "${value:+ctx = $value # $from}" ]; then
        wrong="$wrong $set_of"
    fi
    set_of=$((set_of + 1))
done
unset STOKER_CTX STOKER_RUN_CTX
[ -z "$wrong" ] && pass || fail "precedence" "is wrong for the sets$wrong"

# What is shown is what a command has: a switch, a number, a text, a list; and of a command its own alone.
printf 'ctx = 256\n[plan]\njson = true\n[run]\nctx = 128\n' | settings
run plan
is "a file reaches the command" 0 '"ctx":256' ""
run plan --ctx 300
is "a flag is over it" 0 '"ctx":300' ""
run plan --json=off
is "a switch can be off again" 0 "^memory" ""
STOKER_JSON=0 run plan
is "in the environment too" 0 "^memory" ""
STOKER_PLAN_CTX=320 run plan
is "a variable of one command" 0 '"ctx":320' ""
STOKER_RUN_CTX=320 run plan
is "a variable of another command" 0 '"ctx":256' ""
STOKER_CTX= run plan
is "an empty variable is none" 0 '"ctx":256' ""
STOKER_NO_CONFIG=1 run plan --json
is "STOKER_NO_CONFIG" 0 '"ctx":1024' ""
STOKER_CTX=320 run plan --json --no-config
is "--no-config" 0 '"ctx":1024' ""
printf '[plan]\nctx = 200\n' >"$dir/more.toml"
STOKER_CONFIG="$dir/more.toml" run plan
is "STOKER_CONFIG" 0 '"ctx":200' ""
STOKER_CTX=320 run plan --json --no-config --config "$dir/more.toml"
is "--no-config with a file that is named" 0 '"ctx":200' ""

# ---- every kind of value, and its way into TOML and back -------------------------------------------------------------------
settings <<'END'
model = "models/ember/ember.gguf"
memory = "200M"
[run]
temp = 0.0
max_tokens = 5
stop = ["a\tb", 'c\d']
system = "Say \"no\"."
stats = "full"
seed = 18446744073709551615
think = false
top-k = 40
lock = false
END
run config run --temp .5 -f x
is "stoker config" 0 '^stop = \["a\\tb", "c\\\\d"\] # .*stoker.toml:6$' ""
cp "$dir/out" "$dir/first.toml"
for line in 'model = "models/ember/ember.gguf" # .*:1' 'memory = "200M" # .*:2' 'temp = 0.5 # flag' 'max-tokens = 5 # .*:5' \
    'system = "Say \\"no\\"\." # .*:7' 'stats = "full" # .*:8' 'seed = 18446744073709551615 # .*:9' 'think = "?false"? # .*:10' \
    'top-k = 40 # .*:11' 'lock = false # .*:12' 'file = \["x"\] # flag' '# stoker .*, model [0-9a-f]{16}: models/ember/ember.gguf' \
    "# the user's file: .*stoker.toml"; do
    grep -qxE "$line" "$dir/out" && pass || fail "stoker config" "does not show $line"
done
XDG_CONFIG_HOME=$dir/empty run config run --config "$dir/first.toml"
plain() { sed 's/ # [^"]*$//; /^# .*file: /d' "$1" | sort; }
[ "$(plain "$dir/out")" = "$(plain "$dir/first.toml")" ] && pass || fail "what config prints" "is not read back as the same"
run config run -f
is "config and a wrong command line" 2 "" "run: -f needs a value"
run config nothing
is "config of no command" 2 "" '"nothing" is not a command'
run config
is "config of all" 0 "^\[plan\]" ""
grep -q '^\[version\]\|^\[config\]' "$dir/out" && fail "config of all" "shows a command without flags" || pass

# ---- --print-config, of answers too ----------------------------------------------------------------------------------------
printf '[run]\nmodel = "%s"\ntemp = 0\n' "$ember" | settings
run run -p 'Spell cat.' --json --print-config
is "--print-config" 0 '"config":\{.*"temp":\{"value":"0","from":"[^"]*stoker.toml:3"\}.*\},"model_hash":"[0-9a-f]{16}","version"' \
    "^# stoker .*, model [0-9a-f]{16}: "
sed '/^# stoker/d' "$dir/err" >"$dir/again.toml"
answer=$(sed 's/.*\("text":"[^"]*"\).*/\1/' "$dir/out")
XDG_CONFIG_HOME=$dir/empty run run --config "$dir/again.toml" --json
[ "$(sed 's/.*\("text":"[^"]*"\).*/\1/' "$dir/out")" = "$answer" ] && pass || fail "a printed file" "answers otherwise"
printf '[serve]\napi-key = "not-for-logs"\n' | settings
run config serve "$ember"
is "keys are not shown" 0 "^# api-key is not shown # .*:2" ""
grep -q not-for-logs "$dir/out" && fail "keys" "are shown" || pass

run serve --print-config --memory 1M
grep -q '^\[serve\]$' "$dir/err" && grep -q '^memory = "1M" # flag$' "$dir/err" && pass || fail "the log of serve" "does not have its settings"
of_serve=$(sed -n 's/^# stoker .*, model \([0-9a-f]\{16\}\): .*/\1/p' "$dir/err")
run config serve "$ember"
[ "$of_serve" ] && grep -q "^# stoker .*, model $of_serve: " "$dir/out" && pass || fail "the log of serve" "has not the model's hash, but '$of_serve'"
if [ "$(id -u)" -ne 0 ] || setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
    nobody=$([ "$(id -u)" -ne 0 ] || echo setpriv --reuid 65534 --clear-groups)
    chmod 755 "$dir"
    mkdir -m 0 "$dir/closed"
    cp "$stoker" "$ember" "$dir"
    XDG_CONFIG_HOME=$dir/closed $nobody "$dir/stoker" plan --ctx 64 >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    is "a home that is closed" 0 "^memory" "warning: $dir/closed/stoker/stoker.toml is not read: Permission denied"
    rm "$dir/stoker" "$dir/ember.gguf"
else
    skip "a home that is closed" "root enters every folder, and there is no setpriv"
fi

# ---- what is refused: the whole file is read, whichever command runs ---------------------------------------------------------
# refuses TEXT SENTENCE: of a file with this text, at its place
refuses() {
    printf "$1" >"$user"
    run plan
    is "$(printf "$1" | tr '\n' ' ')" "${3-2}" "" "^stoker: .*stoker.toml:$2"
}
refuses 'memroy = "6G"' '1:1: memroy is no setting of any command; did you mean memory\?'
refuses '[run]\n memroy = 6' '2:2: memroy is no setting of \[run\]; did you mean memory\?'
refuses '[run]\nctx-size = 6' '2:1: ctx-size is no setting of \[run\]; did you mean ctx\?'
refuses '[run]\nport = 8080' '2:1: port is no setting of \[run\], but one of \[serve\]'
refuses '[rnu]\n' '1:2: \[rnu\] is no command that has flags; did you mean \[run\]\?'
refuses '[version]\n' '1:2: \[version\] is no command'
refuses 'threads = 2\n[serve]\nctx = "8q"' '3:1: ctx = 8q of stoker serve: whole numbers from 1'
refuses 'threads = "2"' '1:1: threads of stoker .*: an integer is expected, not a string'
refuses 'threads = 2.0' '1:1: threads of stoker .*: an integer is expected, not a float'
refuses '[run]\nlock = "on"' '2:1: lock of stoker run: a boolean is expected, not a string'
refuses '[run]\nstop = 5' '2:1: stop of stoker run: a string or an array of strings is expected, not an integer'
refuses '[run]\ntemp = true' '2:1: temp of stoker run: an integer or a float is expected, not a boolean'
refuses '[run]\ntemp = 1e9' '2:1: temp = 1e9 of stoker run: numbers from'
refuses '[serve]\nstabilize = "no"' '2:1: stabilize = no of stoker serve: off\|strip\|move is expected'
refuses 'stats = "full"' '1:1: stats of stoker imatrix: a boolean is expected, not a string'
refuses '[run]\nn = 5\nmax-tokens = 6' '3:1: max-tokens is given twice, first as n in line 2'
refuses '[run]\nmax-tokens = 5\nmax_tokens = 6' '3:1: max_tokens is given twice, first as max-tokens in line 2'
refuses 'ctx = 5\nctx = 6' '2:1: ctx is given twice, first in line 1'
refuses 'config = "x"' '1:1: config stands on the command line only'
refuses 'no-config = true' '1:1: no-config stands on the command line only'
refuses 'ctx = 5\n[run]\nstop = ["a"' '3:8: this array has no end'
refuses 'ctx = \0005' '1:7: '
refuses 'ctx = 5 # \377' '1:11: this is not UTF-8'
refuses '[run.fast]' '1:5: names with dots'
head -c 1100000 /dev/zero | tr '\0' '#' | settings
run plan
is "a huge file" 2 "" "stoker.toml: larger than 1 MiB"
rm "$user"
mkdir "$user"
run plan
is "a folder" 1 "" "stoker.toml"
rmdir "$user"
run plan
is "no file" 0 "^memory" ""
run plan --config "$dir/nothing.toml"
is "--config of no file" 1 "" "nothing.toml: .*No such file"
run version
is "version reads no settings" 0 "^stoker " ""

# ---- paths, names and values that somebody else chose ------------------------------------------------------------------------------
# is_plain WHAT: nothing that a terminal obeys, and not much of it
is_plain() {
    LC_ALL=C tr -d '\n -~' <"$dir/err" >"$dir/rest"
    [ ! -s "$dir/rest" ] && [ "$(wc -c <"$dir/err")" -lt 500 ] && pass || fail "$1" "is shown as it is"
}
# is_read_back WHAT COMMAND: what config has printed is a file again
is_read_back() {
    cp "$dir/out" "$dir/printed.toml"
    run config "$2" --config "$dir/printed.toml"
    is "$1 is read back" 0 "^# of --config file: $dir/printed.toml$" ""
}
odd=$dir/$(printf 'a\nb\033[31m.toml')
printf 'memroy = 1\n' >"$odd"
run plan --config "$odd"
is "a path of two lines" 2 "" '^stoker: .*/a\?b\?\[31m.toml:1:1: memroy is no setting of any command'
is_plain "a path of two lines"
printf 'memory = \n' >"$odd"
run plan --config "$odd"
is "no TOML in such a file" 2 "" '^stoker: .*/a\?b\?\[31m.toml:1:10: '
is_plain "no TOML in such a file"
run plan --config "$odd.none"
is "no file of such a path" 1 "" '^stoker: .*/a\?b\?\[31m.toml.none: .*No such file'
is_plain "no file of such a path"
printf 'ctx = 64\n' >"$odd"
run config plan --config "$odd"
is "config of such a path" 0 '^ctx = 64 # .*/a\?b\?\[31m.toml:1$' ""
is_read_back "such a path" plan
ln -s "$ember" "$dir/$(printf 'a\nb.gguf')"
run config run "$dir/$(printf 'a\nb.gguf')"
is "a model's path of two lines" 0 '^# stoker .*/a\?b.gguf$' ""
is_read_back "a model's path" run
(
    export XDG_CONFIG_HOME="$dir/$(printf 'h\n\033')"
    mkdir -p "$XDG_CONFIG_HOME/stoker"
    echo 'ctx = 64' >"$XDG_CONFIG_HOME/stoker/stoker.toml"
    run config plan
    [ "$(grep -c '^ctx = 64 # .*/h??/stoker/stoker.toml:1$' "$dir/out")" -eq 1 ]
) && pass || fail "a folder of two lines" "is shown as it is"
long=$(head -c 5000 /dev/zero | tr '\0' A)
for name in "STOKER_$(printf 'A\033[31m\nB')" "STOKER_$long" "STOKER_$(printf 'A\302\233\377')"; do
    env "$name=1" "$stoker" plan >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    is "a variable's name" 0 "^memory" '^stoker: warning: STOKER_A.* of the environment is no flag of any command, and does nothing$'
    [ "$(wc -l <"$dir/err")" -eq 1 ] && pass || fail "a variable's name" "is not one line"
    is_plain "a variable's name"
done
for value in "$(printf '\033[31m\n5')" "$long" "$(printf '\302\233\377')"; do
    STOKER_CTX=$value run plan
    is "a variable's value" 2 "" '^stoker plan: STOKER_CTX='
    is_plain "a variable's value"
done
STOKER_MODEL="$dir/$(printf '\377').gguf" run config run --ctx 64
is "a value that is not UTF-8" 0 '^# model is not UTF-8, as TOML must be, and is left out # STOKER_MODEL$' ""
is_read_back "a value that is not UTF-8" run
run config run --stop fine --stop "$(printf '\377')"
is "a list of which one is not UTF-8" 0 '^# stop is not UTF-8, as TOML must be, and is left out # flag$' ""
for key in k '['; do
    { [ $key = k ] || printf '['; head -c 1000000 /dev/zero | tr '\0' k; [ $key = k ] && echo ' = 1' || echo ']'; } | settings
    run plan
    is "a name of 1 MB" 2 "" '^stoker: .*stoker.toml:1:[12]: .*k\.\.\.'
    is_plain "a name of 1 MB"
done
rm "$user"
mkfifo "$user"
limit=10 run plan
is "a FIFO" 1 "" "=stoker: $user: not a regular file; remove it, or give --no-config"
run plan --no-config
is "a FIFO and --no-config" 0 "^memory" ""
rm "$user"
ln -s /dev/null "$user"
run plan --ctx 64
is "a link to /dev/null" 0 "^memory" ""
rm "$user"
printf '[plan]\nctx = 200\njson = true\n' | "$stoker" plan --config /dev/stdin >"$dir/out" 2>"$dir/err"
status=$?
is "--config of a pipe" 0 '"ctx":200' ""

# ---- variables ----------------------------------------------------------------------------------------------------------------
STOKER_MEMROY=5 run plan
is "a variable that is no flag" 0 "^memory" "warning: STOKER_MEMROY of the environment is no flag of any command, and does nothing; did you mean STOKER_MEMORY\?"
STOKER_CTX=many run plan
is "a variable of no value" 2 "" "stoker plan: STOKER_CTX=many: whole numbers from 1"
STOKER_PORT=tcp://10.0.0.1:80 run plan
is "a variable of another command" 0 "^memory" ""
STOKER_PORT=many run serve
is "a variable of its command" 2 "" "stoker serve: STOKER_PORT=many: whole numbers"
STOKER_PORT=tcp://10.0.0.1:80 run config serve
is "a service of Kubernetes" 0 "^# the user" "stoker serve: warning: STOKER_PORT=tcp://10.0.0.1:80 is what Kubernetes sets for a service of this name, and does nothing"
for variable in stoker_ctx Stoker_Ctx STOKER_ctx STOKER-CTX STOKER_PLAN-ctx; do
    env "$variable=5" "$stoker" plan >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    case $variable in *PLAN*) want=STOKER_PLAN_CTX ;; *) want=STOKER_CTX ;; esac
    is "$variable" 0 "^memory" "=stoker: warning: $variable of the environment does nothing: names are in capitals with _, $want"
done
env stoker_dir=5 "$stoker" plan >"$dir/out" 2>"$dir/err" </dev/null
status=$?
is "another program's variable" 0 "^memory" ""
STOKER_FLAGS='--ctx 5' run plan
is "STOKER_FLAGS of the unit" 0 "^memory" ""

# ---- flags that set the same ----------------------------------------------------------------------------------------------------
printf 'threads = 1\nkv = "q8_0"\n[run]\nlock = true\n' | settings
run bench -t 2 -p 4 -n 0 -r 1 --no-roofs --no-warmup -ctk f32 -ctv f32 -o csv
is "bench -t over threads" 0 '"f32"' ""
run run -p 'Spell cat.' --temp 0 -ctk f16 -ctv f16 --lock=false
is "a foreign flag over a file" 0 "=C-A-T." ""
printf 'threads = 1\n[bench]\nt = 2\np = 4\nn = 0\nr = 1\nno-roofs = true\no = "jsonl"\n' | settings
run bench
is "a command's table over what stands before it, by another name" 0 '"n_threads":2' ""
STOKER_THREADS=1 run bench
is "a variable over a file, by another name" 0 '"n_threads":1' ""
printf '[bench]\nthreads = 1\nt = 2\n' | settings
run bench
is "one setting twice in a table" 2 "" "^stoker bench: $user:3 sets -t, and $user:2 --threads, which is the same; leave one of them$"

# ---- the model, of every command that takes one -----------------------------------------------------------------------------------
cp "$ember" "$dir/other.gguf"
printf 'model = "%s"\n' "$dir/other.gguf" | settings
for c in run plan inspect check disk render tokenize tune eval; do
    run config $c
    case $c in eval) run config eval ppl ;; esac
    is "config $c" 0 "^model = \"$dir/other.gguf\" # $user:1$" ""
done
run check
is "check takes it" 0 "other.gguf" ""
run tokenize Hello
cp "$dir/out" "$dir/of_other"
run inspect --json
is "inspect takes it" 0 "other.gguf|qwen3moe" ""
printf 'model = "%s"\n' "$dir/none.gguf" | settings
run tokenize Hello
is "tokenize takes it" 1 "" "none.gguf"
run tokenize "$ember" Hello
is "tokenize: an argument is over it" 0 "^[0-9 ]+$" ""
cmp -s "$dir/out" "$dir/of_other" && pass || fail "tokenize" "has other ids of the same model"
run inspect "$ember"
is "inspect: an argument is over it" 0 "qwen3moe" ""
printf '[bench]\np = "4,8"\nn = 0\nr = 1\nno-roofs = true\no = "jsonl"\n' | settings
run bench
[ "$status" -eq 0 ] && [ "$(wc -l <"$dir/out")" -eq 2 ] && pass || fail "a list of numbers" "does not reach bench"
printf 'threads = 1\n[bench]\np = 4\nn = 0\n' | settings
run bench --no-roofs --against '--threads 2' --pairs 5 -o json --steal 100
is "bench --against takes settings for both sides" 0 '"a": *"[^"]*--threads=1' ""
# b_is FLAGS WORDS: of --against FLAGS B has these words, and A those of its settings
b_is() {
    run bench --no-roofs --against "$1" --pairs 5 --effect 100 --steal 100 -o jsonl
    is "bench --against '$1'" 0 "\"a\":\"-p 4 -n 0 --threads=1 [^ \"]*\",\"b\":\"$2 [^ \"]*\"" ""
}
b_is '-t 2' '-p 4 -n 0 -t 2'
echo 'threads = 2' >"$dir/of_b.toml"
b_is "--config $dir/of_b.toml" '-p 4 -n 0 --threads=2'
b_is '--no-config -p 4 -n 0' '-p 4 -n 0'
run bench --against "--config $dir/absent.toml"
is "bench --against '--config FILE', which is not there" 1 "" "absent.toml: .*No such file"
printf 'threads = 1\n[bench]\np = 4\nn = 0\nno-roofs = true\nagainst = "-t 2"\npairs = 5\neffect = 100\nsteal = 100\n' | settings
STOKER_THREADS=2 run bench -o jsonl
is "bench --against of a file" 0 '"a":"-p 4 -n 0 --threads=2 [^ "]*","b":"-p 4 -n 0 -t 2 [^ "]*"' ""

done_testing
