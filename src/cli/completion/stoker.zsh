#compdef stoker
# zsh completion for stoker, made by: stoker completion zsh
_stoker() {
    setopt localoptions extendedglob
    local -a list choices
    local program=$words[1] command=$words[2] line name other value text action
    if (( CURRENT == 2 )); then
        list=(${(f)"$($program --help 2>/dev/null | sed -n '/^commands/,$s/^  \([a-z]*\)  *\(.*\)/\1:\2/p')"})
        _describe -t commands command list
        return
    fi
    if [[ $command == completion ]]; then
        list=(bash zsh fish)
        _describe shell list
        return
    fi
    list=('(-h --help)'{-h,--help}'[how to use it]' '*:file:_files')
    for line in ${(f)"$($program $command --help 2>/dev/null)"}; do
        [[ $line =~ '^  (-[^ ,]+)(, (-[^ ]+))?( ([^ ]+))? +([^ ].*)$' ]] || continue
        name=$match[1] other=$match[3] value=$match[5] text=${${match[6]//\[/(}//\]/)}
        text=${text//:/ }
        case $value in
        '') action= ;;
        *'|'*FILE*) # words, and files
            choices=(${(M)${(s:|:)value}:#[a-z0-9_]##})
            action=":$value:_alternative 'words:word:($choices)' 'files:file:_files'" ;;
        *FILE*|*DIR*|*PATH*|*.gguf*) action=":${value//:/ }:_files" ;;
        *'|'*)
            choices=(${(M)${(s:|:)value}:#[a-z0-9_]##})
            action=":$value:($choices)" ;;
        *) action=":${value//:/ }: " ;;
        esac
        list+=("*$name${value:+${${name:#-?}:+=}}[$text]$action")
        [[ -z $other ]] || list+=("*$other${value:+${${other:#-?}:+=}}[$text]$action")
    done
    (( CURRENT-- ))
    shift words
    _arguments $list
}
if [[ $funcstack[1] == _stoker ]]; then _stoker "$@"; else compdef _stoker stoker; fi
