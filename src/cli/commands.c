/* See commands.h. */
#include "cli/commands.h"

#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <stdio.h>
#include <string.h>

static int cmd_version(int argc, char **argv)
{
    int n_rest, status = flags_parse("version", "stoker version: which stoker this is.\n", NULL, 0, argc, argv, NULL, 0,
                                     &n_rest);
    if (status != FLAGS_DONE)
        return status;
    printf("stoker %s\n", stoker_version());
    return 0;
}

const struct command commands[] = {
    {"run", cmd_run, "answer a prompt, or chat"},
    {"serve", cmd_serve, "an HTTP server: the APIs of OpenAI, Anthropic and Ollama, and a page"},
    {"plan", cmd_plan, "what a model needs, from its headers alone"},
    {"inspect", cmd_inspect, "what is in a GGUF file: keys, tensors, sizes, experts"},
    {"tune", cmd_tune, "find the fastest settings for a model here, and keep them"},
    {"check", cmd_check, "is a model's file whole: structure, scales, hash"},
    {"quantize", cmd_quantize, "the same model with other block types, and fewer bytes"},
    {"imatrix", cmd_imatrix, "how much each column matters, for quantize, collected over a text"},
    {"bench", cmd_bench, "speed of prompts and of generation"},
    {"eval", cmd_eval, "what a text is worth to a model: log-probabilities, perplexity"},
    {"embed", cmd_embed, "vectors of lines, or scores of lines for a query"},
    {"activations", cmd_activations, "rows of the residual stream and more, as a file"},
    {"routes", cmd_routes, "how often each layer chooses each expert, of texts or traces"},
    {"steer", cmd_steer, "control vectors: made of texts, looked at"},
    {"sae", cmd_sae, "sparse autoencoders: trained, their features looked at"},
    {"library", cmd_library, "archives and files on disk: added, searched, read"},
    {"mcp", cmd_mcp, "the library and tools of MCP servers, for agents: an MCP server"},
    {"disk", cmd_disk, "read rate of a drive by depth and size"},
    {"doctor", cmd_doctor, "what slows this machine, and how to change it"},
    {"tokenize", cmd_tokenize, "ids and pieces of a text, or the text of ids"},
    {"render", cmd_render, "the prompt of a chat request, as the model sees it"},
    {"config", cmd_config, "what stoker.toml and the environment set, and where"},
    {"completion", cmd_completion, "a script for a shell that completes command lines"},
    {"version", cmd_version, "the version"},
};
const size_t commands_n = sizeof commands / sizeof *commands;

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < commands_n; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

void commands_know_flags(void)
{
    static char help[] = "--help"; /* of eval, which has no flags but behind a name otherwise */
    flags_set_mode(FLAGS_LIST);
    for (size_t i = 0; i < commands_n; i++) {
        char name[16];
        char *argv[] = {name, help, NULL};
        snprintf(name, sizeof name, "%s", commands[i].name);
        commands[i].run(2, argv);
    }
    flags_set_mode(FLAGS_RUN);
}
