# Completion: every command and every flag of --help is offered, in each shell that is here; values and files too.
. tests/cli/harness

program=$(cd "$(dirname "$STOKER")" && pwd)/$(basename "$STOKER")
commands=$("$program" --help | sed -n '/^commands/,$s/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -l)" -ge 9 ] && pass || fail "--help" "lists few commands"
flags_of() { "$program" "$1" --help | sed -nE 's/^  (-[^ ,]+)(, (-[^ ]+))?.*/\1 \3/p' | tr -s ' ' '\n' | grep .; }

# offers NAME WORD...: the file out has each word on a line
offers() {
    about=$1
    shift
    for word in "$@"; do
        grep -qxF -e "$word" "$dir/out" || {
            fail "$about" "does not offer $word"
            return
        }
    done
    pass
}

# The same questions to each shell: "words, the last one begun", answered a word a line.
ask_bash() {
    "$program" completion bash >"$dir/script"
    bash -c 'compopt() { :; }; . "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _stoker; printf "%s\n" "${COMPREPLY[@]}"' \
        "$dir/script" "$program" "$@" >"$dir/out" 2>"$dir/err"
}
# zsh without a terminal: what the completion function passes to it, words and specifications of _arguments alike.
ask_zsh() {
    "$program" completion zsh >"$dir/script"
    zsh -f -c 'compdef() { :; }; _arguments() { local s; for s; do s=${s#\*}; print -r -- ${${s%%\[*}%=}; [[ $s == *:\(*\) ]] && print -l -- ${=${${s##*:\(}%\)}}; done }
        _describe() { local w; for w in ${(P)@[-1]}; do print -r -- ${w%%:*}; done }
        script=$1; shift; . $script; words=("$@"); CURRENT=$#; _stoker' zsh "$dir/script" "$program" "$@" >"$dir/out" 2>"$dir/err"
}
ask_fish() {
    "$program" completion fish >"$dir/script"
    line=
    while [ $# -gt 1 ]; do
        line="$line '$1'"
        shift
    done
    PATH=$(dirname "$program"):$PATH HOME=$dir fish --no-config -c "source $dir/script; complete -C \"$(basename "$program")$line $1\" | string split -f1 \t" \
        >"$dir/out" 2>"$dir/err"
}

for shell in bash zsh fish; do
    if ! command -v $shell >/dev/null; then
        skip "$shell" "it is not installed"
        continue
    fi
    ask_$shell ''
    offers "$shell: commands" $commands
    for c in $commands; do
        ask_$shell "$c" --
        offers "$shell: stoker $c" $(flags_of "$c" | grep -xe "--.*")
        [ -s "$dir/err" ] && fail "$shell: stoker $c" "says $(head -n 1 "$dir/err")"
    done
    ask_$shell run -
    offers "$shell: short flags" -p -n -t
    ask_$shell run --think ''
    offers "$shell: values of --think" on off
    ask_$shell run --kv ''
    offers "$shell: values of --kv" f16 f32
    for path in /a/b.gguf './a|b [c].gguf' -/x; do
        ask_$shell run "$path" --mem
        offers "$shell: a flag behind $path" --memory
        [ -s "$dir/err" ] && fail "$shell: a flag behind $path" "says $(head -n 1 "$dir/err")"
    done
    : >"$dir/a draft.gguf"
    ask_$shell run --draft "$dir/a"
    [ $shell != bash ] || offers "bash: a file with a blank in its name" "$dir/a draft.gguf" # the others write it in their own ways
    ask_$shell completion ''
    offers "$shell: shells" bash zsh fish
done

run completion
is "no shell" 2 "" "^stoker completion: name a shell; bash, zsh and fish are possible$"
run completion tcsh
is "another shell" 2 "" "tcsh.*bash, zsh and fish are possible$"
run completion bash extra
is "too much" 2 "" "one argument too many"

done_testing
