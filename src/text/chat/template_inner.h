/* What the files of the chat template share.
 *
 *   template_turns.c    request -> turns: contents, calls, results in their order       (steps 1 to 4 of templates.md 6)
 *   template_shape.c    turns -> turns that the template can render                     (steps 5 to 12)
 *   template_context.c  turns -> the variables of a rendering                           (templates.md 4)
 *   template_probe.c    what the template can do                                        (templates.md 5)
 *   template.c          all of it in order, and once more with neighbours joined        (step 13) */
#ifndef TEXT_CHAT_TEMPLATE_INNER_H
#define TEXT_CHAT_TEMPLATE_INNER_H

#include "text/chat/template.h"
#include "text/jinja/value.h"

struct chat_template {
    struct jinja_template *jinja;
    struct template_caps caps;
    char *bos, *eos; /* or NULL */
    int reads_functions, reads_datetime;
    char *text; /* of caps */
};

struct turn_call {
    const struct jstring *id, *name; /* ORIGIN_ASSISTANT; id may be NULL */
    const struct jstring *text;      /* arguments as the client wrote them */
    struct jvalue arguments;         /* J_DICT */
    size_t index;                    /* in the conversation */
};

enum turn_role { TURN_SYSTEM, TURN_DEVELOPER, TURN_USER, TURN_ASSISTANT, TURN_TOOL };

struct turn {
    enum turn_role role;
    const struct jstring *content;   /* never NULL */
    const struct jstring *reasoning; /* of an assistant, or NULL */
    const struct jstring *name;      /* or NULL */
    const struct jstring *call_id;   /* of a result, or NULL */
    struct turn_call *call;          /* [n_call] of an assistant */
    size_t n_call;
    const struct turn_call *of; /* the call that a result answers, or NULL */
    struct jvalue parts;        /* content as parts, or J_UNSET */
};

/* A conversation on its way through the steps. */
struct conversation {
    struct jrun *run;
    const struct chat_template *template;
    const struct template_caps *caps;
    struct jvalue request; /* J_DICT */
    struct turn *turn;
    size_t n, cap;
    size_t n_call;       /* of all turns */
    struct jvalue tools; /* J_LIST, or J_NONE */
    int continues;
    char *path; /* of an error, [120] */
};

/* Leave with JINJA_REQUEST; the format is of the path, then the sentence about what is there. */
_Noreturn void conversation_refuse(struct conversation *t, const char *problem, const char *path, ...)
    __attribute__((format(printf, 3, 4)));
struct turn *conversation_add(struct conversation *t, enum turn_role role, const struct jstring *content);
struct turn *conversation_insert(struct conversation *t, size_t at, enum turn_role role, const struct jstring *content);
/* a + between + b with between of an origin; without it where one is empty. */
const struct jstring *conversation_join(struct conversation *t, const struct jstring *a, const char *between,
                                        enum text_origin origin, const struct jstring *b);

void conversation_begin(struct conversation *t, const char *request,
                        size_t n);                        /* template.c: run, template, caps and path are set */
void conversation_read(struct conversation *t);           /* template_turns.c */
void conversation_shape(struct conversation *t);          /* template_shape.c */
int conversation_join_neighbours(struct conversation *t); /* 0: there was nothing to join */

/* The variables; J_DICT. */
struct jvalue conversation_context(struct conversation *t); /* template_context.c */
/* Those that every rendering has; tools J_NONE: none. */
struct jdict *template_variables(struct jrun *r, const struct chat_template *t, struct jvalue messages,
                                 struct jvalue tools, int generate);

/* Fills caps; texts in the run's arena. -1: probing takes more than it may: the run's error. */
int template_probe(struct chat_template *t, struct jrun *r);

#endif
