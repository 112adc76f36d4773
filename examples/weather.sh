#!/bin/sh
# An MCP server in sh, of one tool, for `stoker run --mcp examples/weather.json`: a request is a line of JSON on stdin, its answer a line on
# stdout. It is small because stoker writes requests in one way only; a server for other clients reads JSON with a library.
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }

while read -r line; do
    id=${line#*\"id\":}
    id=${id%%,*}
    case $line in
    *'"method":"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"weather","version":"1"}}' ;;
    *'"method":"tools/list"'*) answer '{"tools":[{"name":"get_weather","description":"Get the current weather of a city.","inputSchema":{"type":"object","properties":{"city":{"type":"string","description":"City name"}},"required":["city"]}}]}' ;;
    *'"method":"tools/call"'*)
        case $line in
        *Bergen*) text='rain, 9 degrees' ;;
        *) text='sunny, 21 degrees' ;;
        esac
        answer "{\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]}" ;;
    esac
done
