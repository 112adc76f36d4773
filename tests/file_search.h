/* file_search of OpenAI's Responses at `server`, whose library has a passage on a stone bridge in docs and one on sand in more
 * (chat_server.h): what streams and whole answers tell, what bounds searches, what is refused. */
#ifndef TESTS_FILE_SEARCH_H
#define TESTS_FILE_SEARCH_H

#include "chat_server.h"

#define RESPOND_FIND       "\"input\":\"Find bridge\",\"temperature\":0,\"seed\":1"
#define RESPOND_TOOL(more) ",\"tools\":[{\"type\":\"file_search\"" more "}]"
#define RESPOND_ONCE       ",\"max_tool_calls\":1"
#define RESPOND_RESULTS    ",\"include\":[\"file_search_call.results\"]"
#define RESPOND_SAYS(t)                                                                                                \
    ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"strict\":true,\"schema\":{\"const\":\"" t "\"}}" \
    "}"

static inline int respond(const char *body) { return ask_into(&reply, "/v1/responses", body); }

/* What a stream told. */
struct responded {
    char event[1000]; /* names without "response.", a blank behind each; deltas in a row once */
    char text[4096];  /* deltas joined */
    int n, is_misnumbered;
    json_t *item, *annotation; /* those that were done, in order */
    json_t *last;              /* the response of the last event */
};

static inline void take_response_event(void *arg, const json_t *e)
{
    static const char begin[] = "response.";
    struct responded *t = arg;
    const char *type = json_string_value(json_object_get(e, "type")),
               *delta = json_string_value(json_object_get(e, "delta"));
    char name[80];
    json_t *whole = json_object_get(e, "response");
    t->is_misnumbered |= json_integer_value(json_object_get(e, "sequence_number")) != t->n++;
    if (!type || strncmp(type, begin, sizeof begin - 1) != 0)
        return;
    snprintf(name, sizeof name, "%s ", type + sizeof begin - 1);
    size_t n = strlen(t->event), k = strlen(name);
    if (n < k || strcmp(t->event + n - k, name) != 0)
        strncat(t->event, name, sizeof t->event - n - 1);
    if (strcmp(name, "output_text.delta ") == 0 && delta)
        strncat(t->text, delta, sizeof t->text - strlen(t->text) - 1);
    if (strcmp(name, "output_item.done ") == 0)
        json_array_append(t->item, json_object_get(e, "item"));
    if (strcmp(name, "output_text.annotation.added ") == 0)
        json_array_append(t->annotation, json_object_get(e, "annotation"));
    if (whole) {
        json_decref(t->last);
        t->last = json_incref(whole);
    }
}

static inline struct responded read_responded(void)
{
    struct responded t = {.item = json_array(), .annotation = json_array()};
    read_chunks(&reply, take_response_event, &t);
    return t;
}

static inline void free_responded(struct responded *t)
{
    json_decref(t->item);
    json_decref(t->annotation);
    json_decref(t->last);
}

/* The items of an answer, a new reference, but for their ids. */
static inline json_t *bare_items(const json_t *output)
{
    size_t i;
    json_t *item, *copy = json_deep_copy(output);
    json_array_foreach(copy, i, item)
    {
        const char *id = json_string_value(json_object_get(item, "id")),
                   *type = json_string_value(json_object_get(item, "type"));
        if (type && strcmp(type, "file_search_call") == 0)
            check(id && strncmp(id, "fs_", 3) == 0, "the id of a search is %s", id ? id : "absent");
        json_object_del(item, "id");
    }
    return copy ? copy : json_array();
}

/* Those of the whole answer in `reply`. */
static inline json_t *whole_items(void)
{
    json_t *whole = json_loadb(reply.body, reply.n, 0, NULL), *items = bare_items(json_object_get(whole, "output"));
    json_decref(whole);
    return items;
}

static inline const char *item_type(const json_t *items, size_t i)
{
    const char *type = json_string_value(json_object_get(json_array_get(items, i), "type"));
    return type ? type : "nothing";
}

static inline size_t count_searches(const json_t *items)
{
    size_t n = 0;
    while (strcmp(item_type(items, n), "file_search_call") == 0)
        n++;
    return n;
}

static inline const json_t *first_part(const json_t *message)
{
    return json_array_get(json_object_get(message, "content"), 0);
}

static inline const char *field_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* ---- what is told ---------------------------------------------------------------------------------------------------------- */

/* The passage that the search gave the model. */
static inline void check_bridge(const json_t *search)
{
    const json_t *results = json_object_get(search, "results"), *r = json_array_get(results, 0),
                 *a = json_object_get(r, "attributes");
    char path[200];
    check(json_array_size(json_object_get(search, "queries")) == 1 && json_array_size(results) >= 1,
          "a search without a query or result: %s", reply.body);
    check(strncmp(field_of(r, "file_id"), "docs:", 5) == 0 && strcmp(field_of(r, "filename"), "bridge."
                                                                                              "md") == 0,
          "a result is of %s, %s", field_of(r, "file_id"), field_of(r, "filename"));
    check(strcmp(field_of(r, "text"), "A stone bridge stands on arches. Its bedge is broad.") == 0, "its text is %s",
          field_of(r, "text"));
    check(json_is_number(json_object_get(r, "score")), "it has no score");
    check(json_integer_value(json_object_get(a, "n")) == 1 && strcmp(field_of(a, "source"), "docs") == 0 &&
              strcmp(field_of(a, "url"), "/library/docs/bridge."
                                         "md#stone-bridge") == 0,
          "its attributes: %s", reply.body);
    snprintf(path, sizeof path, "/v1/library/article/%s", field_of(r, "file_id"));
    check(ask_into(&reply, path, NULL) == 200, "%s: %d %s", path, reply.status, reply.body);
}

static inline void check_citation(const struct responded *t, const json_t *message)
{
    const json_t *cited = json_array_get(t->annotation, 0);
    check(json_array_size(t->annotation) == 1 && strcmp(field_of(cited, "type"), "url_citation") == 0 &&
              json_integer_value(json_object_get(cited, "start_index")) == 7 &&
              json_integer_value(json_object_get(cited, "end_index")) == 10,
          "the annotation that was added: %s", reply.body);
    check(strcmp(field_of(cited, "url"), "/library/docs/bridge."
                                         "md#stone-bridge") == 0 &&
              *field_of(cited, "title"),
          "it names %s", field_of(cited, "url"));
    check(json_equal(json_object_get(first_part(message), "annotations"), t->annotation), "the message has others");
}

/* A schema that one text alone satisfies makes the answer known. */
#define RESPOND_CITES                                                                                                  \
    RESPOND_FIND RESPOND_TOOL("") RESPOND_ONCE RESPOND_SAYS("\xf0\x9f\x8c\x89 See [1] and [9].") RESPOND_RESULTS

static inline void a_search_is_an_item(void)
{
    static const char events[] = "created in_progress output_item.added file_search_call.in_progress "
                                 "file_search_call.searching file_search_call.completed output_item.done "
                                 "output_item.added content_part.added output_text.delta output_text.annotation.added "
                                 "output_text.done content_part.done output_item.done completed ";
    check(respond("{" RESPOND_CITES ",\"stream\":true}") == 200, "a stream: %d %s", reply.status, reply.body);
    struct responded t = read_responded();
    const json_t *output = json_object_get(t.last, "output"), *message = json_array_get(output, 1);
    check(strcmp(t.event, events) == 0, "events: %s", t.event);
    check(!t.is_misnumbered, "events are not numbered from 0 on: %s", reply.body);
    check(json_equal(t.item, output), "items are not those of the whole: %s", reply.body);
    check(strcmp(field_of(first_part(message), "text"), t.text) == 0, "the text is not that of the deltas: %s", t.text);
    check(strcmp(field_of(json_array_get(output, 0), "status"), "completed") == 0, "a search that is not completed");
    check_citation(&t, message);
    json_t *streamed = bare_items(output);
    check(respond("{" RESPOND_CITES "}") == 200, "a whole answer: %d %s", reply.status, reply.body);
    json_t *whole = whole_items();
    check(json_equal(whole, streamed), "the whole answer is not the stream's: %s", reply.body);
    check_bridge(json_array_get(whole, 0));
    json_decref(whole);
    json_decref(streamed);
    free_responded(&t);
}

/* Results are told to who asks for them; the field of chats is the tool by another name. */
static inline void the_field_is_the_tool(void)
{
    check(respond("{" RESPOND_CITES "}") == 200, "the tool: %s", reply.body);
    json_t *tool = whole_items();
    check(respond("{" RESPOND_FIND ",\"library\":{\"rounds\":2}" RESPOND_SAYS("\xf0\x9f\x8c\x89 See [1] and [9].")
                      RESPOND_RESULTS "}") == 200,
          "the field: %s", reply.body);
    json_t *field = whole_items();
    check(json_equal(tool, field), "the field answers something else: %s", reply.body);
    check(respond("{" RESPOND_FIND RESPOND_TOOL(",\"vector_store_ids\":[]")
                      RESPOND_ONCE RESPOND_SAYS("\xf0\x9f\x8c\x89 See [1] and [9].") "}") == 200,
          "without results: %s", reply.body);
    json_t *silent = whole_items();
    check(json_is_null(json_object_get(json_array_get(silent, 0), "results")), "results that nobody asked for: %s",
          reply.body);
    json_object_del(json_array_get(silent, 0), "results");
    json_object_del(json_array_get(tool, 0), "results");
    check(json_equal(tool, silent), "without results another answer: %s", reply.body);
    json_decref(silent);
    json_decref(field);
    json_decref(tool);
}

/* What one chat says alone (learn_alone()) is what a response says, from whatever server. */
static inline void a_response_says_what_a_chat_says(void)
{
    check(respond("{" RESPOND_FIND ",\"library\":true,\"max_output_tokens\":60}") == 200, "a response: %s", reply.body);
    json_t *items = whole_items();
    char text[sizeof alone] = "";
    for (size_t i = 0; i < json_array_size(items); i++)
        if (strcmp(item_type(items, i), "message") == 0)
            strncat(text, field_of(first_part(json_array_get(items, i)), "text"), sizeof text - strlen(text) - 1);
    check(strcmp(text, alone) == 0, "a response says %s, a chat %s", text, alone);
    json_decref(items);
}

/* ---- bounds ---------------------------------------------------------------------------------------------------------------- */

/* Where its answer must be JSON the embedded model searches as often as it may. */
static inline void searches_end(void)
{
    for (int most = -1; most <= 9; most += most < 1 ? 1 : 4) {
        char body[600], limit[40] = "";
        if (most >= 0)
            snprintf(limit, sizeof limit, ",\"max_tool_calls\":%d", most);
        snprintf(body, sizeof body, "{" RESPOND_FIND RESPOND_TOOL("") RESPOND_SAYS("Yes.") "%s}", limit);
        check(respond(body) == 200, "max_tool_calls %d: %s", most, reply.body);
        json_t *items = whole_items();
        size_t n = count_searches(items), want = most < 0 || most > 7 ? 7 : (size_t)most;
        check(n == want && json_array_size(items) == n + 1 && strcmp(item_type(items, n), "message") == 0,
              "max_tool_calls %d: %zu searches: %s", most, n, reply.body);
        json_decref(items);
    }
}

static inline void sources_may_be_chosen(void)
{
    check(respond("{\"input\":\"Find sand\",\"temperature\":0,\"seed\":1" RESPOND_TOOL(
              ",\"vector_store_ids\":[\"more\"],\"max_num_results\":50") RESPOND_ONCE RESPOND_SAYS("Yes.")
                      RESPOND_RESULTS "}") == 200,
          "a source: %s", reply.body);
    json_t *items = whole_items();
    const json_t *results = json_object_get(json_array_get(items, 0), "results");
    check(json_array_size(results) == 1 &&
              strcmp(field_of(json_object_get(json_array_get(results, 0), "attributes"), "source"), "more") == 0,
          "results of another source, or none: %s", reply.body);
    json_decref(items);
}

#define RESPOND_WEATHER                                                                                                \
    ",\"tools\":[{\"type\":\"file_search\"},{\"type\":\"function\",\"name\":\"get_weather\",\"description\":\"Get "    \
    "the current weather of a city.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":"         \
    "\"string\"}},\"required\":[\"city\"]}}]"

/* A search that is asked for comes first; a call of the client's tool ends the turn and is told. */
static inline void tools_may_be_chosen(void)
{
    check(respond("{\"input\":\"Hello.\",\"temperature\":0" RESPOND_WEATHER
                  ",\"tool_choice\":{\"type\":\"file_search\"},\"max_output_tokens\":120}") == 200,
          "a search that is asked for: %s", reply.body);
    json_t *items = whole_items();
    check(count_searches(items) >= 1 && strcmp(field_of(json_array_get(items, 0), "status"), "completed") == 0,
          "it is not searched: %s", reply.body);
    json_decref(items);
    check(respond("{" RESPOND_FIND RESPOND_WEATHER
                  ",\"tool_choice\":{\"type\":\"function\",\"name\":\"get_weather\"}}") == 200,
          "the client's tool: %s", reply.body);
    items = whole_items();
    size_t n = json_array_size(items);
    check(n > 0 && count_searches(items) == 0 && strcmp(item_type(items, n - 1), "function_call") == 0,
          "no call of the client's tool: %s", reply.body);
    json_decref(items);
}

/* What a client sends back of an earlier answer is part of the prompt where it has results of this library. */
static inline void searches_may_be_sent_back(void)
{
#define RESPOND_AGAIN(item)                                                                                            \
    "{\"input\":[{\"role\":\"user\",\"content\":\"Hi\"}," item                                                         \
    "{\"role\":\"assistant\",\"content\":\"Yes.\"},{\"role\":\"user\",\"content\":\"Go on\"}],\"temperature\":0,"      \
    "\"max_output_tokens\":4" RESPOND_TOOL("") "}"
    check(respond(RESPOND_AGAIN("{\"id\":\"fs_1\",\"type\":\"file_search_call\",\"status\":\"completed\",\"queries\":["
                                "\"a\"],\"results\":[{\"file_id\":\"docs:1:1\",\"text\":\"b\"}]},")) == 200,
          "an item that is sent back: %s", reply.body);
    json_t *with = json_loadb(reply.body, reply.n, 0, NULL);
    check(respond(RESPOND_AGAIN("")) == 200, "without it: %s", reply.body);
    json_t *without = json_loadb(reply.body, reply.n, 0, NULL);
    const json_t *a = json_object_get(json_object_get(with, "usage"), "input_tokens"),
                 *b = json_object_get(json_object_get(without, "usage"), "input_tokens");
    check(a && json_equal(a, b), "the prompt of one is another's: %s", reply.body);
    json_decref(with);
    json_decref(without);
#undef RESPOND_AGAIN
}

/* Behind an answer whose items are sent back, without searching again. */
static inline void check_known(const char *include, size_t n_citation)
{
    char body[1000];
    snprintf(body, sizeof body, "{" RESPOND_FIND RESPOND_TOOL("") RESPOND_ONCE RESPOND_SAYS("Yes.") "%s}", include);
    check(respond(body) == 200, "an answer: %s", reply.body);
    json_t *whole = json_loadb(reply.body, reply.n, 0, NULL), *input = json_object_get(whole, "output"),
           *next = json_loads("{\"temperature\":0,\"max_tool_calls\":0" RESPOND_TOOL("") RESPOND_SAYS("See [1].") "}",
                              0, NULL);
    json_array_insert_new(input, 0, json_pack("{s:s, s:s}", "role", "user", "content", "Find bridge"));
    json_array_append_new(input, json_pack("{s:s, s:s}", "role", "user", "content", "Go on"));
    json_object_set(next, "input", input);
    char *text = json_dumps(next, JSON_COMPACT);
    check(respond(text) == 200, "the next answer: %s", reply.body);
    json_t *items = whole_items();
    const json_t *cited = json_object_get(first_part(json_array_get(items, 0)), "annotations");
    check(json_array_size(items) == 1 && json_array_size(cited) == n_citation, "the next answer cites otherwise: %s",
          reply.body);
    check(n_citation == 0 || strcmp(field_of(json_array_get(cited, 0), "url"), "/library/docs/bridge."
                                                                               "md#stone-bridge") == 0,
          "the next answer cites %s", reply.body);
    free(text);
    json_decref(items);
    json_decref(next);
    json_decref(whole);
}

static inline void passages_stay_known(void)
{
    check_known(RESPOND_RESULTS, 1);
    check_known("", 0);
}

/* ---- what is refused ------------------------------------------------------------------------------------------------------- */

static inline void response_refused(const char *fields, const char *param, const char *words)
{
    char body[1000];
    snprintf(body, sizeof body, "{" RESPOND_FIND "%s}", fields);
    int status = respond(body);
    json_t *o = json_loadb(reply.body, reply.n, 0, NULL);
    const json_t *e = json_object_get(o, "error");
    check(status == 400 && strcmp(field_of(e, "param"), param) == 0 && strstr(field_of(e, "message"), words),
          "%s: %d %s", fields, status, reply.body);
    json_decref(o);
}

static inline void wrong_searches_are_refused(void)
{
    response_refused(RESPOND_TOOL(",\"vector_store_ids\":[\"docs\",\"none\"]"), "tools[0].vector_store_ids[1]",
                     "tools[0].vector_store_ids[1] names no source");
    response_refused(RESPOND_TOOL(",\"vector_store_ids\":[1]"), "tools[0].vector_store_ids[0]", "must be a string");
    response_refused(RESPOND_TOOL(",\"vector_store_ids\":\"docs\""), "tools[0].vector_store_ids", "must be an array");
    response_refused(RESPOND_TOOL(",\"max_num_results\":0"), "tools[0].max_num_results", "1 to 50");
    response_refused(RESPOND_TOOL(",\"max_num_results\":51"), "tools[0].max_num_results", "1 to 50");
    response_refused(RESPOND_TOOL(",\"filters\":{\"type\":\"eq\",\"key\":\"a\",\"value\":1}"), "tools[0].filters",
                     "not supported");
    response_refused(RESPOND_TOOL(",\"ranking_options\":{\"ranker\":\"auto\",\"score_threshold\":0.5}"),
                     "tools[0].ranking_options.score_threshold", "must be 0");
    response_refused(RESPOND_TOOL(",\"ranking_options\":{\"hybrid_search\":{}}"),
                     "tools[0].ranking_options.hybrid_search", "not supported");
    response_refused(RESPOND_TOOL("},{\"type\":\"file_search\""), "tools[1]", "send one");
    response_refused(RESPOND_TOOL("") ",\"library\":true", "tools[0]", "send one");
    response_refused(RESPOND_TOOL("") ",\"max_tool_calls\":-1", "max_tool_calls", "0");
    response_refused(",\"tool_choice\":{\"type\":\"file_search\"}", "tool_choice.type", "not among tools");
    response_refused(",\"library\":{\"sources\":[\"none\"]}", "library.sources[0]", "names no source");
    response_refused(",\"library\":1", "library", "must be true, false or an object");
    check(respond("{" RESPOND_FIND RESPOND_TOOL("") ",\"library\":false,\"max_output_tokens\":2}") == 200,
          "beside a field that says no: %s", reply.body);
}

/* Of a server without a library. */
static inline void nothing_to_search_is_left_out(void)
{
    check(respond("{" RESPOND_FIND RESPOND_TOOL(",\"vector_store_ids\":[\"docs\"]") ",\"max_output_tokens\":2}") == 200,
          "a tool that is not here: %s", reply.body);
    check(strstr(reply.raw, "x-stoker-ignored-tools: file_search") != NULL, "the header does not name it: %s",
          reply.raw);
    response_refused(RESPOND_TOOL("") ",\"tool_choice\":{\"type\":\"file_search\"}", "tool_choice.type",
                     "start it with --library");
    response_refused(",\"library\":true", "library", "start it with --library");
}

static inline void responses_search_files(void)
{
    a_search_is_an_item();
    the_field_is_the_tool();
    searches_end();
    sources_may_be_chosen();
    tools_may_be_chosen();
    searches_may_be_sent_back();
    passages_stay_known();
    wrong_searches_are_refused();
}

#endif
