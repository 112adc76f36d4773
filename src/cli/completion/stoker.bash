# bash completion for stoker, made by: stoker completion bash
_stoker() {
    local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]} value
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "$("$program" --help 2>/dev/null | sed -n '/^commands/,$s/^  \([a-z]*\) .*/\1/p') --help --version" -- "$cur"))
        return
    fi
    [ "$cur" != = ] || cur=
    [ "$flag" != = ] || flag=${COMP_WORDS[COMP_CWORD-2]}
    if [ "$command" = completion ]; then
        COMPREPLY=($(compgen -W 'bash zsh fish --help' -- "$cur"))
        return
    fi
    case $flag in # a path is no flag, and no pattern either
    -*[!A-Za-z0-9_-]*) ;;
    -*) value=$("$program" "$command" --help 2>/dev/null | sed -nE "s/^  (-[^ ]+, )?$flag(, -[^ ]+)? ([^ ]+).*/\\3/p") ;;
    esac
    case $flag:$value in
    -*:*'|'*FILE*) # words, and files
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(
            compgen -W "$(printf '%s' "$value" | tr '|' '\n' | grep '^[a-z0-9_]*$')" -- "$cur"
            compgen -f -- "$cur"
        ) ;;
    -*:*FILE*|-*:*DIR*|-*:*PATH*|-*:*.gguf*) ;;
    -*:*'|'*) COMPREPLY=($(compgen -W "$(printf '%s' "$value" | tr '|' '\n' | grep '^[a-z0-9_]*$')" -- "$cur")) ;;
    -*:?*) compopt +o default 2>/dev/null ;;
    *) case $cur in
        -*) COMPREPLY=($(compgen -W "$("$program" "$command" --help 2>/dev/null | sed -nE 's/^  (-[^ ,]+)(, (-[^ ]+))?.*/\1 \3/p') --help" -- "$cur")) ;;
        esac ;;
    esac
}
complete -o default -F _stoker stoker
