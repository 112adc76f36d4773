/* stoker library: archives and files on disk: its flags. What it does: library/library.h. */
#include "cli/common/cli.h"
#include "cli/common/settings.h"
#include "cli/common/user_folder.h"
#include "cli/library/library.h"

#include <string.h>

static const char usage[] =
    "stoker library ACTION ... [flags]: knowledge on disk. Archives (.zim) and files (.html, .htm, .xhtml, .md, .txt, "
    ".pdf) "
    "become sources, which\n"
    "are searched by words and read; no network. With an embedding model passages are found by their meaning too.\n\n"
    "  stoker library add wikipedia_en_medicine.zim ~/notes     archives, files, folders; again: what has changed\n"
    "  stoker library search how to clean water --limit 5       the best passages of all sources\n"
    "  stoker library add ~/notes --embed MODEL.gguf            and vectors of its passages\n"
    "  stoker library search clean water --embed MODEL.gguf     by words and by vectors\n"
    "  stoker library search clean water --rerank RANKER.gguf   the best of that, judged again\n"
    "  stoker library open NAME:ARTICLE:CHUNK                   a passage, by the id that search shows\n"
    "  stoker library open NAME/PATH#ANCHOR                     an article, or its section\n"
    "  stoker library list                                      the sources, what they hold\n"
    "  stoker library remove NAME\n"
    "  stoker library check                                     are databases and archives whole?\n\n"
    "add can be stopped and killed at any time; the same command goes on. Exit status: 0 also where entries were "
    "skipped, 1 nothing could be\n"
    "read, or damage was found.\n\n";

static const struct {
    const char *name;
    int (*run)(const struct library_command *c);
    int least; /* arguments that it needs */
    const char *needs;
} actions[] = {
    {"add", library_cmd_add, 1, "an archive, a file or a folder"},
    {"search", library_cmd_search, 1, "what to search for"},
    {"open", library_cmd_open, 1, "an id, or SOURCE/PATH"},
    {"list", library_cmd_list, 0, ""},
    {"remove", library_cmd_remove, 1, "the name of a source"},
    {"check", library_cmd_check, 0, ""},
};
enum { N_ACTIONS = sizeof actions / sizeof *actions, FLOOR = 256 << 20 };

static int run(struct library_command *c, char *folder)
{
    if (!c->dir) {
        if (user_path(folder, USER_DATA, "library")) {
            fprintf(stderr,
                    "stoker library: neither XDG_DATA_HOME nor HOME says where the library is; --library DIR\n");
            return 2;
        }
        c->dir = folder;
    }
    if (c->vectors && !c->embed) {
        fprintf(stderr, "stoker library: --vectors %s needs the model that makes them: --embed MODEL.gguf\n",
                c->vectors);
        return 2;
    }
    if (settings_is_typed("--rerank") && strcmp(c->action, "search") != 0) { /* settings may have it for searches */
        fprintf(stderr, "stoker library %s: --rerank is for search alone; leave it out\n", c->action);
        return 2;
    }
    if (c->memory && c->memory < FLOOR && strcmp(c->action, "add") == 0) {
        fprintf(stderr, "stoker library: --memory %s is less than the 256 MiB that any archive can be added with\n",
                show_bytes(c->memory));
        return 2;
    }
    for (size_t i = 0; i < N_ACTIONS; i++)
        if (strcmp(actions[i].name, c->action) == 0) {
            if (c->n_rest >= actions[i].least)
                return actions[i].run(c);
            fprintf(stderr, "stoker library %s: name %s\n", c->action, actions[i].needs);
            return 2;
        }
    fprintf(stderr, "stoker library: \"%s\" is no action; add, search, open, list, remove and check are possible\n",
            c->action);
    return 2;
}

int cmd_library(int argc, char **argv)
{
    static const char *rest[TEXTS_MOST];
    static char folder[PATH_MAX];
    struct library_command c = {.limit = 10};
    const struct flag mine[] = {
        {"--library", NULL, FLAG_TEXT, &c.dir, 0, 0, "DIR",
         "the folder of the sources (default: ~/.local/share/stoker/library)"},
        {"--name", NULL, FLAG_TEXT, &c.name, 0, 0, "NAME",
         "of add: what the source is called (default: by the archive, the file)"},
        {"--verify", NULL, FLAG_SWITCH, &c.verify, 0, 0, NULL,
         "of add: refuse an archive whose checksum is wrong; reads all of it"},
        {"--embed", NULL, FLAG_TEXT, &c.embed, 0, 0, "MODEL",
         "of add: vectors of passages, by this embedding model; of search: by them too, of the same model"},
        {"--rerank", NULL, FLAG_TEXT, &c.rerank, 0, 0, "MODEL",
         "of search: the best 50 passages in the order of this model, which judges pairs"},
        {"--vectors", NULL, FLAG_WORD, &c.vectors, 0, 0, "all|lead",
         "of add: of all passages, or of each article's first (default: all of less than 100,000)"},
        {"--memory", NULL, FLAG_BYTES, &c.memory, 1, 0, "BYTES",
         "of add: what it may take (256 MiB are enough for any archive); with --embed: what the model may take"},
        {"--limit", NULL, FLAG_INT, &c.limit, 1, 100, "N", "of search: results (10)"},
        {"--source", NULL, FLAG_TEXTS, &c.sources, 0, 0, "NAME",
         "of search: in this source alone; may be given several times"},
        {"--json", NULL, FLAG_SWITCH, &c.json, 0, 0, NULL, "for programs; of add an event a second"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}};
    int n_rest = 0, status = flags_parse("library", usage, tables, 1, argc, argv, rest, TEXTS_MOST, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (n_rest == 0) {
        fprintf(
            stderr,
            "stoker library: name an action: add, search, open, list, remove or check; see stoker library --help\n");
        return 2;
    }
    c.action = rest[0];
    c.rest = rest + 1;
    c.n_rest = n_rest - 1;
    return run(&c, folder);
}
