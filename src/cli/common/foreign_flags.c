/* The table of foreign_flags.h. A row is added when somebody's command line needs it. */
#include "cli/common/foreign_flags.h"

#include <stdio.h>
#include <string.h>

static const char cpu_only[] = "stoker computes on the CPU; leave it out";
static const char streams[] = "stoker keeps the experts that --memory allows, and streams the others; leave it out";
static const char rope[] = "rotary embeddings are as the model's file has them; leave it out";
static const char no_adapter[] = "stoker reads no adapters; merge them into the model's file";
static const char no_image[] = "stoker reads text only; leave it out";
static const char no_download[] = "stoker downloads nothing; name the GGUF file";
static const char whole_prompt[] =
    "a prompt is always given whole; --chunk N sets how many of its rows a step computes";
static const char chats[] = "without -p a chat begins, with it there is one answer; leave it out";
static const char as_typed[] = "texts are taken as they are; leave it out";

const struct foreign_flag foreign_flags[] = {
    /* the same under another name */
    {"-c|--ctx-size|--num-ctx", FOREIGN_VALUE, "--ctx", NULL, NULL},
    {"-np", FOREIGN_VALUE, "--parallel", NULL, NULL},
    {"-ub|--ubatch-size", FOREIGN_VALUE, "--chunk", NULL, NULL},
    {"-ctk|--cache-type-k|-ctv|--cache-type-v", FOREIGN_VALUE, "--kv", NULL, "and has one value"},
    {"--mlock", FOREIGN_NO_VALUE, "--lock", NULL, NULL},
    {"-md|--model-draft", FOREIGN_VALUE, "--draft", NULL, NULL},
    {"--draft-n", FOREIGN_VALUE, "--draft-max", NULL, NULL},
    {"-s", FOREIGN_VALUE, "--seed", NULL, NULL},
    {"-sys|--system-prompt", FOREIGN_VALUE, "--system", NULL, NULL},
    {"--n-predict|--predict|--num-predict", FOREIGN_VALUE, "-n", NULL, NULL},
    {"--temperature", FOREIGN_VALUE, "--temp", NULL, NULL},
    {"--typical", FOREIGN_VALUE, "--typical-p", NULL, NULL},
    {"--top-nsigma", FOREIGN_VALUE, "--top-n-sigma", NULL, NULL},
    {"-l", FOREIGN_VALUE, "--logit-bias", NULL, NULL},
    {"--mirostat-ent", FOREIGN_VALUE, "--mirostat-tau", NULL, NULL},
    {"--mirostat-lr", FOREIGN_VALUE, "--mirostat-eta", NULL, NULL},
    {"--dynatemp-exp", FOREIGN_VALUE, "--dynatemp-exponent", NULL, NULL},
    {"--dry-sequence-breaker", FOREIGN_VALUE, "--dry-sequence-breakers", NULL, NULL},
    {"-r|--reverse-prompt", FOREIGN_VALUE, "--stop", NULL, NULL},
    {"-j", FOREIGN_VALUE, "--json-schema", NULL, NULL},
    {"-jf|--json-schema-file", FOREIGN_VALUE, "--json-schema", NULL, NULL},
    {"--grammar-file", FOREIGN_VALUE, "--grammar", NULL, NULL},
    {"--chat-template-file", FOREIGN_VALUE, "--chat-template", NULL, NULL},
    {"--verbose|-v", FOREIGN_NO_VALUE, "--stats", NULL, NULL},
    {"-a", FOREIGN_VALUE, "--alias", NULL, NULL},
    {"--no-webui|--no-ui", FOREIGN_NO_VALUE, "--no-page", NULL, NULL},
    {"--nowordwrap", FOREIGN_NO_VALUE, "--no-wrap", NULL, NULL},
    {"-to|--timeout", FOREIGN_VALUE, "--body-timeout", NULL, NULL},

    /* what stoker does anyway, and what it does not */
    {"-fa|--flash-attn", FOREIGN_SWITCH, NULL, "||on|1|auto|true|",
     "attention always takes one pass over keys and values; leave it out"},
    {"--no-mmap", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"--mmap", FOREIGN_NO_VALUE, NULL, NULL, "stoker reads files past the page cache; leave it out"},
    {"-dio|--direct-io", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"--jinja", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"--no-jinja", FOREIGN_NO_VALUE, NULL, NULL,
     "chat templates are always rendered; --chat-template names another one"},
    {"-cb|--cont-batching", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"-nocb|--no-cont-batching", FOREIGN_NO_VALUE, NULL, NULL,
     "requests always share steps; --parallel 1 takes one at a time"},
    {"--no-context-shift", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"--context-shift", FOREIGN_NO_VALUE, NULL, NULL, "an answer ends where the context ends; --ctx N makes it larger"},
    {"--metrics|--props|--slots-endpoint", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"--log-disable|--no-display-prompt|--simple-io|--no-perf|--offline|--log-prefix|--log-timestamps",
     FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"-kvu|--kv-unified|--swa-full|--no-op-offload|--no-prefill-assistant|--no-slots", FOREIGN_NO_VALUE, NULL, "||",
     NULL},
    {"-st|--single-turn", FOREIGN_NO_VALUE, NULL, "||", chats, "-p|--prompt|-f|--file"},
    {"-no-cnv|--no-conversation", FOREIGN_NO_VALUE, NULL, NULL,
     "with -p there is one answer, and the chat template is always applied; leave it out"},
    {"-cnv|--conversation|-i|--interactive|-if|--interactive-first|-ins", FOREIGN_NO_VALUE, NULL, NULL, chats},
    {"--log-colors", FOREIGN_SWITCH, NULL, "||on|off|auto|0|1|true|false|",
     "lines of the log have no colours; leave it out"},
    {"-co|--color", FOREIGN_SWITCH, NULL, "||on|1|auto|true|", "colours are shown on a terminal only; leave it out"},
    {"-ngl|--gpu-layers|--n-gpu-layers", FOREIGN_VALUE, NULL, "|0|", cpu_only},
    {"-dev|--device", FOREIGN_VALUE, NULL, "|none|cpu|", cpu_only},
    {"-sm|--split-mode|-ts|--tensor-split|-mg|--main-gpu", FOREIGN_VALUE, NULL, NULL, cpu_only},
    {"-nkvo|--no-kv-offload", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"-ot|--override-tensor|-ncmoe|--n-cpu-moe", FOREIGN_VALUE, NULL, NULL, streams},
    {"-cmoe|--cpu-moe", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"-b|--batch-size", FOREIGN_VALUE, NULL, NULL, whole_prompt},
    {"-tb|--threads-batch", FOREIGN_VALUE, NULL, NULL, "prompts and answers have the same threads: --threads N"},
    {"--numa", FOREIGN_VALUE, NULL, NULL,
     "memory lies by turns over the nodes of the cores that are used; leave it out"},
    {"--rope-scaling|--rope-scale|--rope-freq-base|--rope-freq-scale|--yarn-ext-factor|--yarn-orig-ctx|--yarn-attn-"
     "factor",
     FOREIGN_VALUE, NULL, NULL, rope},
    {"--draft-min|--draft-p-min|--draft-n-min", FOREIGN_VALUE, NULL, NULL,
     "as many tokens are drafted as are worth their time; leave it out"},
    {"--lora|--lora-scaled", FOREIGN_VALUE, NULL, NULL, no_adapter},
    {"--mmproj|--image|-mm", FOREIGN_VALUE, NULL, NULL, no_image},
    {"-hf|-hfr|--hf-repo|-hff|--hf-file|-mu|--model-url|-hft|--hf-token", FOREIGN_VALUE, NULL, NULL, no_download},
    {"-e|--escape", FOREIGN_NO_VALUE, NULL, NULL, as_typed},
    {"--no-escape", FOREIGN_NO_VALUE, NULL, "||", NULL},
    {"-sysf|--system-prompt-file", FOREIGN_VALUE, NULL, NULL, "--system \"$(cat FILE)\" gives a file's text"},
    {"--keep", FOREIGN_VALUE, NULL, NULL,
     "an answer ends where the context ends, so nothing of it is dropped; leave it out"},
    {"--prompt-cache", FOREIGN_VALUE, NULL, NULL,
     "serve keeps prefixes of prompts by itself, and in files with --cache-dir"},
    {"--reasoning-budget|-rea|--reasoning", FOREIGN_VALUE, NULL, NULL,
     "--think on|off says whether the model thinks first"},
    {"--reasoning-format", FOREIGN_VALUE, NULL, "|auto|deepseek|",
     "reasoning is a field of its own in every answer; leave it out"},
    {"-tc|--threads-http|-threads-http", FOREIGN_VALUE, NULL, NULL,
     "each connection has a thread; --max-conns bounds them"},
    {"--host|--port|--api-key|--api-key-file", FOREIGN_VALUE, NULL, NULL, "the server is stoker serve"},
    {"-p|--prompt", FOREIGN_VALUE, NULL, NULL, "a port is --port N; a prompt is answered by stoker run -p TEXT"},
    {"-n|--max-tokens", FOREIGN_VALUE, NULL, NULL,
     "stoker run has it; to stoker serve each request says how long its answer may be: max_tokens"},
    {"--system", FOREIGN_VALUE, NULL, NULL, "stoker run has it; requests to stoker serve bring their system message"},
    {"--stop", FOREIGN_VALUE, NULL, NULL, "stoker run has it; requests to stoker serve name theirs: stop"},
    {"-f|--file", FOREIGN_VALUE, NULL, NULL, "files of a prompt are named to stoker run"},
    {"--version", FOREIGN_NO_VALUE, NULL, NULL, "stoker version tells it"},
    {"--embedding|--embeddings|--reranking|--rerank", FOREIGN_NO_VALUE, NULL, NULL,
     "a model of vectors or scores is served as such, and serve has --embed FILE and --rerank FILE; leave it out"},
    {"--keepalive|--keep-alive", FOREIGN_VALUE, NULL, NULL, "a model stays loaded until stoker ends; leave it out"},
    {"--hidethinking", FOREIGN_NO_VALUE, NULL, NULL, "reasoning is shown on a terminal only; --think off has none"},
    {"--perf", FOREIGN_NO_VALUE, NULL, NULL, "--stats shows speed and memory"},
    {"-lv|--verbosity|--log-verbosity|--log-file", FOREIGN_VALUE, NULL, NULL,
     "what is logged is a line each on stderr; 2>FILE keeps it"},
    {"--verbose-prompt", FOREIGN_NO_VALUE, NULL, NULL, "stoker render and stoker tokenize show what a prompt becomes"},
    {"--in-prefix|--in-suffix", FOREIGN_VALUE, NULL, NULL,
     "the chat template says what stands around a message; --chat-template names another one"},
    {"-mli|--multiline-input", FOREIGN_NO_VALUE, NULL, NULL,
     "Alt-Enter goes on in the next line, and what is pasted is one message; leave it out"},
    {"--check-tensors", FOREIGN_NO_VALUE, NULL, NULL, "stoker check MODEL.gguf reads a whole file"},
    {"--list-devices", FOREIGN_NO_VALUE, NULL, NULL, cpu_only},
    {"--override-kv", FOREIGN_VALUE, NULL, NULL, "the model is what its file says; leave it out"},
    {"--poll", FOREIGN_VALUE, NULL, NULL, "--spin MS says how long threads without work stay awake"},
    {"-C|--cpu-mask|-Cr|--cpu-range|--cpu-strict|--prio", FOREIGN_VALUE, NULL, NULL,
     "taskset(1) and nice(1) say which cores run stoker, and when; --threads N how many"},
    {"--rpc", FOREIGN_VALUE, NULL, NULL, "stoker computes on one machine; leave it out"},
    {"-sp|--special", FOREIGN_NO_VALUE, NULL, NULL, "control tokens are never shown; leave it out"},
    {"--chat-template-kwargs", FOREIGN_VALUE, NULL, NULL,
     "--think on|off is the switch of templates; requests to serve may carry chat_template_kwargs"},
    {"--cache-reuse|--slot-save-path", FOREIGN_VALUE, NULL, NULL,
     "prompts that begin alike are computed once; --cache-dir keeps that in files"},
    {"--ssl-key-file|--ssl-cert-file", FOREIGN_VALUE, NULL, NULL, "a proxy in front speaks TLS; see docs/SCALING.md"},
    {"--models-dir", FOREIGN_VALUE, NULL, NULL, "a server has one model; start one for each"},
    {"--format", FOREIGN_VALUE, NULL, NULL, "--json-schema FILE|JSON says what an answer may be"},
    {"--warmup|--no-warmup", FOREIGN_NO_VALUE, NULL, "||", NULL},
};

const size_t foreign_flags_n = sizeof foreign_flags / sizeof *foreign_flags;

int foreign_names_hold(const char *names, const char *name, size_t n)
{
    for (const char *at = names; *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == n && memcmp(at, name, n) == 0)
            return 1;
    return 0;
}

const struct foreign_flag *foreign_flag_find(const char *name, size_t n)
{
    for (size_t i = 0; i < foreign_flags_n; i++)
        if (foreign_names_hold(foreign_flags[i].names, name, n))
            return &foreign_flags[i];
    return NULL;
}

int foreign_flag_is_always(const struct foreign_flag *f, const char *value)
{
    char word[16];
    int n = snprintf(word, sizeof word, "|%s|", value ? value : "");
    return f->always && n > 0 && (size_t)n < sizeof word && strstr(f->always, word) != NULL;
}

int foreign_switch_word(const char *argument)
{
    static const char words[] = "|on|off|auto|0|1|true|false|";
    char word[16];
    int n = argument ? snprintf(word, sizeof word, "|%s|", argument) : 0;
    return n > 2 && (size_t)n < sizeof word && strstr(words, word) != NULL;
}
