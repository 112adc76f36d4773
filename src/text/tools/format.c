/* The table of tool-call formats, in the order of detection: a row's strings are tried one row after another, so that a
 * special format stands before the general one whose strings it also holds. */
#include "text/tools/format.h"

#include "base/error.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tools/block.h"
#include "text/tools/parser.h"
#include "text/tools/write.h"

#include <string.h>

#define THINK [ROLE_OPEN] = "<think>", [ROLE_CLOSE] = "</think>"

#define DSML                                                                                                           \
    "<｜DSML｜invoke name=\"", "\">", "</｜DSML｜invoke>", "<｜DSML｜parameter name=\"", "\"", NULL,                   \
        "</｜DSML｜parameter>"

static const struct tool_xml xml_dsml = {DSML, XML_VERBATIM, .string_attribute = 1};
static const struct tool_xml xml_minimax = {
    "<invoke name=\"", "\">", "</invoke>", "<parameter name=\"", "\">", NULL, "</parameter>", XML_VERBATIM};
static const struct tool_xml xml_seed = {
    "<function=", ">", "</function>", "<parameter=", ">", NULL, "</parameter>", XML_STRIP_PAIR, .python = 1};
static const struct tool_xml xml_qwen = {"<function=",   ">",       "</function>", "<parameter=", ">", NULL,
                                         "</parameter>", XML_STRIP, .python = 1};
static const struct tool_xml xml_glm = {NULL,         NULL,          NULL,           "<arg_key>",
                                        "</arg_key>", "<arg_value>", "</arg_value>", XML_VERBATIM};

/* \342\226\201 is U+2581, which vocabularies of SentencePiece take for a space when they read this file. */
static const struct tool_format formats[] = {
    {.name = "harmony",
     .detect = {"<|channel|>analysis"},
     .marker = {[HARMONY_START] = "<|start|>",
                [HARMONY_CHANNEL] = "<|channel|>",
                [HARMONY_MESSAGE] = "<|message|>",
                [HARMONY_CONSTRAIN] = "<|constrain|>",
                [HARMONY_END] = "<|end|>",
                [HARMONY_RETURN] = "<|return|>",
                [HARMONY_CALL] = "<|call|>"},
     .rules = RULE_TOKENS | RULE_ONE_CALL,
     .advance = harmony_advance,
     .syntax = SYNTAX_HARMONY},
    {.name = "dsml_v3_2",
     .detect = {"｜DSML｜", "function_calls>"},
     .marker = {THINK, [ROLE_BEGIN] = "<｜DSML｜function_calls>", [ROLE_END] = "</｜DSML｜function_calls>"},
     .part = "｜DSML｜",
     .rules = RULE_TOKENS | RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_TAGS,
     .read = xml_read,
     .xml = &xml_dsml,
     .syntax = SYNTAX_TAGS},
    {.name = "dsml",
     .detect = {"｜DSML｜"},
     .marker = {THINK, [ROLE_BEGIN] = "<｜DSML｜tool_calls>", [ROLE_END] = "</｜DSML｜tool_calls>"},
     .part = "｜DSML｜",
     .rules = RULE_TOKENS | RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_TAGS,
     .read = xml_read,
     .xml = &xml_dsml,
     .syntax = SYNTAX_TAGS},
    {.name = "deepseek_r1",
     .detect = {"<｜tool\342\226\201call\342\226\201begin｜>", "```json"},
     .marker = {THINK, [ROLE_BEGIN] = "<｜tool\342\226\201calls\342\226\201begin｜>",
                [ROLE_END] = "<｜tool\342\226\201calls\342\226\201end｜>",
                [ROLE_CALL] = "<｜tool\342\226\201call\342\226\201begin｜>", [ROLE_SEP] = "<｜tool\342\226\201sep｜>",
                [ROLE_STOP] = "<｜tool\342\226\201call\342\226\201end｜>"},
     .rules = RULE_TOKENS | RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_TAGS | RULE_FENCED,
     .read = deepseek_read,
     .syntax = SYNTAX_DEEPSEEK,
     .write = deepseek_write},
    {.name = "deepseek_v3_1",
     .detect = {"<｜tool\342\226\201call\342\226\201begin｜>"},
     .marker = {THINK, [ROLE_BEGIN] = "<｜tool\342\226\201calls\342\226\201begin｜>",
                [ROLE_END] = "<｜tool\342\226\201calls\342\226\201end｜>",
                [ROLE_CALL] = "<｜tool\342\226\201call\342\226\201begin｜>", [ROLE_SEP] = "<｜tool\342\226\201sep｜>",
                [ROLE_STOP] = "<｜tool\342\226\201call\342\226\201end｜>"},
     .rules = RULE_TOKENS | RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_TAGS,
     .read = deepseek_read,
     .syntax = SYNTAX_DEEPSEEK,
     .write = deepseek_write},
    {.name = "kimi_k2",
     .detect = {"<|tool_calls_section_begin|>"},
     .marker = {THINK, [ROLE_BEGIN] = "<|tool_calls_section_begin|>", [ROLE_END] = "<|tool_calls_section_end|>",
                [ROLE_BEGIN2] = "<|tool_call_begin|>", [ROLE_ARGS] = "<|tool_call_argument_begin|>",
                [ROLE_STOP] = "<|tool_call_end|>"},
     .rules = RULE_TOKENS | RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_TAGS,
     .read = kimi_read_section,
     .read2 = kimi_read_call,
     .syntax = SYNTAX_KIMI},
    {.name = "minimax_m2",
     .detect = {"<minimax:tool_call>"},
     .marker = {THINK, [ROLE_BEGIN] = "<minimax:tool_call>", [ROLE_END] = "</minimax:tool_call>"},
     .rules = RULE_TOKENS | RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_TAGS,
     .read = xml_read,
     .xml = &xml_minimax,
     .syntax = SYNTAX_TAGS},
    {.name = "seed_oss",
     .detect = {"<seed:tool_call>"},
     .marker = {[ROLE_OPEN] = "<seed:think>",
                [ROLE_CLOSE] = "</seed:think>",
                [ROLE_BEGIN] = "<seed:tool_call>",
                [ROLE_END] = "</seed:tool_call>"},
     .rules = RULE_TOKENS,
     .read = xml_read,
     .xml = &xml_seed,
     .syntax = SYNTAX_TAGS},
    {.name = "glm",
     .detect = {"<arg_key>"},
     .marker = {THINK, [ROLE_BEGIN] = "<tool_call>", [ROLE_END] = "</tool_call>"},
     .rules = RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS,
     .read = glm_read,
     .xml = &xml_glm,
     .syntax = SYNTAX_GLM},
    {.name = "qwen_xml",
     .detect = {"<function=", "<parameter="},
     .marker = {THINK, [ROLE_BEGIN] = "<tool_call>", [ROLE_END] = "</tool_call>", [ROLE_BEGIN2] = "<function="},
     .rules = RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS | RULE_BEGIN2_NAMES,
     .read = xml_read,
     .read2 = xml_read_bare,
     .xml = &xml_qwen,
     .syntax = SYNTAX_TAGS},
    {.name = "functionary_v3_1",
     .detect = {"<function="},
     .marker = {THINK, [ROLE_BEGIN] = "<function=", [ROLE_END] = "</function>", [ROLE_BEGIN2] = "<|python_tag|>"},
     .rules = RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS,
     .read = functionary_read,
     .read2 = functionary_read_python,
     .syntax = SYNTAX_FUNCTIONARY},
    {.name = "functionary_v3_2",
     .detect = {">>>all"},
     .marker = {[RECIPIENT_NEXT] = ">>>"},
     .rules = RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS | RULE_RECIPIENTS,
     .advance = recipient_advance,
     .syntax = SYNTAX_RECIPIENT},
    {.name = "firefunction",
     .detect = {"functools["},
     .marker = {THINK, [ROLE_BEGIN] = "functools["},
     .rules = RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS,
     .read = list_read_open,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LIST,
     .list = {"", ", ", "]"}},
    {.name = "command_r7b",
     .detect = {"<|START_ACTION|>"},
     .marker = {[ROLE_OPEN] = "<|START_THINKING|>",
                [ROLE_CLOSE] = "<|END_THINKING|>",
                [ROLE_BEGIN] = "<|START_ACTION|>",
                [ROLE_END] = "<|END_ACTION|>",
                [ROLE_WRAP] = "<|START_RESPONSE|>",
                [ROLE_WRAP + 1] = "<|END_RESPONSE|>",
                [ROLE_WRAP + 2] = "<|START_TEXT|>",
                [ROLE_WRAP + 3] = "<|END_TEXT|>"},
     .rules = RULE_TOKENS | RULE_ID_FIRST,
     .read = list_read,
     .name_key = "tool_name",
     .args_key = "parameters",
     .id_key = "tool_call_id",
     .syntax = SYNTAX_LIST,
     .list = {"[\n    ", ",\n    ", "\n]"}},
    {.name = "gemma4",
     .detect = {"<|tool_call>call:"},
     .marker = {[ROLE_OPEN] = "<|channel>",
                [ROLE_CLOSE] = "<channel|>",
                [ROLE_BEGIN] = "<|tool_call>",
                [ROLE_END] = "<tool_call|>",
                [ROLE_SEP] = "<|\"|>"},
     .rules = RULE_TOKENS | RULE_LATE_REASONING,
     .read = gemma_read,
     .syntax = SYNTAX_GEMMA,
     .arguments = ARGS_GEMMA},
    {.name = "solar_open",
     .detect = {"<|tool_call:begin|>"},
     .marker = {[ROLE_OPEN] = "<|think|>",
                [ROLE_CLOSE] = "<|end|>",
                [ROLE_BEGIN] = "<|tool_calls|>",
                [ROLE_END] = "<|calls|>",
                [ROLE_CALL] = "<|tool_call:begin|>",
                [ROLE_SEP] = "<|tool_call:name|>",
                [ROLE_ARGS] = "<|tool_call:args|>",
                [ROLE_STOP] = "<|tool_call:end|>",
                [ROLE_WRAP] = "<|content|>",
                [ROLE_WRAP + 1] = "<|end|>",
                [ROLE_WRAP + 2] = "<|begin|>assistant"},
     .part = "<|begin|>",
     .rules = RULE_TOKENS,
     .read = solar_read,
     .syntax = SYNTAX_SOLAR},
    {.name = "apertus",
     .detect = {"<|tools_prefix|>"},
     .marker = {[ROLE_OPEN] = "<|inner_prefix|>",
                [ROLE_CLOSE] = "<|inner_suffix|>",
                [ROLE_BEGIN] = "<|tools_prefix|>",
                [ROLE_END] = "<|tools_suffix|>"},
     .rules = RULE_TOKENS,
     .read = list_read,
     .syntax = SYNTAX_LIST,
     .list = {"[", ", ", "]"}},
    {.name = "lfm2",
     .detect = {"<|tool_list_start|>"},
     .or_detect = "List of tools: [",
     .marker = {THINK, [ROLE_BEGIN] = "<|tool_call_start|>", [ROLE_END] = "<|tool_call_end|>"},
     .rules = RULE_TOKENS,
     .read = python_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_PYTHON,
     .arguments = ARGS_PYTHON,
     .write = python_write},
    {.name = "nemotron_v2",
     .detect = {"<TOOLCALL>"},
     .marker = {THINK, [ROLE_BEGIN] = "<TOOLCALL>", [ROLE_END] = "</TOOLCALL>"},
     .rules = RULE_EMPTY_LIST | RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS,
     .read = list_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LIST,
     .list = {"[", ", ", "]"}},
    {.name = "apriel",
     .detect = {"<tool_calls>[", "[BEGIN FINAL RESPONSE]"},
     .marker = {[ROLE_OPEN] = "Here are my reasoning steps:\n",
                [ROLE_CLOSE] = "[BEGIN FINAL RESPONSE]",
                [ROLE_BEGIN] = "<tool_calls>",
                [ROLE_END] = "</tool_calls>",
                [ROLE_WRAP] = "[END FINAL RESPONSE]"},
     .rules = RULE_CALL_ENDS_REASONING | RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS | RULE_ID_LAST,
     .read = list_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LIST,
     .list = {"[", ", ", "]"}},
    {.name = "hunyuan",
     .detect = {"<tool_calls>"},
     .marker = {THINK, [ROLE_BEGIN] = "<tool_calls>", [ROLE_END] = "</tool_calls>", [ROLE_WRAP] = "<answer>",
                [ROLE_WRAP + 1] = "</answer>"},
     .rules = RULE_WRAP_AFTER_REASONING | RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS,
     .read = list_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LIST,
     .list = {"[", ", ", "]"}},
    {.name = "mistral_args",
     .detect = {"[ARGS]"},
     .marker = {[ROLE_OPEN] = "[THINK]",
                [ROLE_CLOSE] = "[/THINK]",
                [ROLE_BEGIN] = "[TOOL_CALLS]",
                [ROLE_SEP] = "[CALL_ID]",
                [ROLE_ARGS] = "[ARGS]"},
     .rules = RULE_TOKENS | RULE_ONE_OBJECT | RULE_ID_LAST,
     .read = mistral_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_MISTRAL},
    {.name = "mistral_json",
     .detect = {"[TOOL_CALLS]"},
     .marker = {[ROLE_OPEN] = "[THINK]", [ROLE_CLOSE] = "[/THINK]", [ROLE_BEGIN] = "[TOOL_CALLS]"},
     .rules = RULE_TOKENS | RULE_ONE_OBJECT | RULE_ID_LAST,
     .read = list_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LIST,
     .list = {"[", ", ", "]"}},
    {.name = "gigachat3",
     .detect = {"<|function_call|>"},
     .marker = {THINK, [ROLE_BEGIN] = "<|function_call|>"},
     .end = "<|message_sep|>",
     .rules = RULE_TOKENS | RULE_ONE_CALL,
     .read = object_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_OBJECT},
    {.name = "gigachat3_role",
     .detect = {"'role': 'function call'"},
     .marker = {THINK, [ROLE_BEGIN] = "function call<|role_sep|>\n", [ROLE_WRAP] = "<|message_sep|>"},
     .part = "<|role_sep|>",
     .rules = RULE_TOKENS | RULE_ONE_CALL | RULE_TURN_ENDS,
     .read = object_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_OBJECT},
    {.name = "granite_3_3",
     .detect = {"<|tool_call|>"},
     .marker = {THINK, [ROLE_BEGIN] = "<|tool_call|>", [ROLE_WRAP] = "<response>", [ROLE_WRAP + 1] = "</response>"},
     .rules = RULE_TOKENS | RULE_WRAP_AFTER_REASONING,
     .read = list_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LIST,
     .write = list_write,
     .list = {"[", ", ", "]"}},
    {.name = "hermes",
     .detect = {"<tool_call>"},
     .marker = {THINK, [ROLE_BEGIN] = "<tool_call>", [ROLE_END] = "</tool_call>"},
     .rules = RULE_ASSISTANT_MARKERS | RULE_ASSISTANT_TAGS,
     .read = object_read,
     .name_key = "name",
     .args_key = "arguments",
     .id_key = "id",
     .syntax = SYNTAX_LINES},
    {.name = "llama3",
     .detect = {"<|python_tag|>"},
     .or_detect = "{\"name\": function name, \"parameters\"",
     .marker = {THINK, [ROLE_BEGIN] = "<|python_tag|>"},
     .rules = RULE_TOKENS | RULE_BARE,
     .read = llama_read,
     .read2 = llama_read_bare,
     .name_key = "name",
     .args_key = "parameters",
     .id_key = "id",
     .syntax = SYNTAX_OBJECT},
    {.name = "none", .marker = {THINK}},
};

enum { N_FORMAT = sizeof formats / sizeof *formats };

static int occurs(const char *source, size_t length, const char *text)
{
    return memmem(source, length, text, strlen(text)) != NULL;
}

const struct tool_format *tool_format_detect(const char *source, size_t length)
{
    for (size_t i = 0; i < N_FORMAT; i++) {
        const struct tool_format *f = &formats[i];
        if (f->detect[0] && occurs(source, length, f->detect[0]) &&
            (!f->detect[1] || occurs(source, length, f->detect[1])))
            return f;
        if (f->or_detect && occurs(source, length, f->or_detect))
            return f;
    }
    return &formats[N_FORMAT - 1];
}

const struct tool_format *tool_format_find(const char *name, struct error *err)
{
    char names[400] = "";
    for (size_t i = 0; i < N_FORMAT; i++) {
        if (!strcmp(formats[i].name, name))
            return &formats[i];
        size_t n = strlen(names);
        if (n + strlen(formats[i].name) + 2 < sizeof names) {
            strcpy(names + n, i ? " " : "");
            strcat(names, formats[i].name);
        }
    }
    error_set(err, ERR_INPUT, "there is no tool-call format '%.40s'; there are: %s", name, names);
    return NULL;
}

const struct tool_format *tool_format_at(size_t i) { return i < N_FORMAT ? &formats[i] : NULL; }

const char *tool_format_token(const struct tool_format *f, size_t i)
{
    if (f->part && i == 0)
        return f->part;
    size_t k = f->part ? 1 : 0;
    for (size_t r = 0; r < N_ROLE; r++) {
        if (!f->marker[r] || (f->part && strstr(f->marker[r], f->part)))
            continue;
        if (k++ == i)
            return f->marker[r];
    }
    return NULL;
}

int tool_format_assistant_marker(const struct tool_format *f, const char *text, size_t length)
{
    for (size_t r = 0; r < N_ROLE; r++) {
        int tag = r == ROLE_OPEN || r == ROLE_CLOSE;
        const char *m = f->marker[r];
        if (m && strlen(m) == length && !memcmp(m, text, length))
            return (f->rules & (tag ? RULE_ASSISTANT_TAGS : RULE_ASSISTANT_MARKERS)) != 0;
    }
    return 0;
}

const struct tool_format *tool_format_taught(const struct tool_format *f)
{
    return strcmp(f->name, "none") ? f : tool_format_find("hermes", NULL);
}

int tool_is_token(const void *vocabulary, const char *text, size_t n)
{
    int32_t id = tokenizer_find(vocabulary, text, n);
    enum token_type type = id < 0 ? TOKEN_NORMAL : tokenizer_type(vocabulary, id);
    return id >= 0 && (type == TOKEN_CONTROL || type == TOKEN_USER);
}
