/* How long a request takes, predicted from headers: the figure by which plans are chosen, and which `stoker plan` shows.
 *
 *     request            SPEED_PROMPT tokens are read, fewer in a short context, then SPEED_ANSWER are answered
 *     prompt             chunk by chunk; of each, computing and reading overlap (streaming.md S)
 *     token              a step with one row for each sequence that runs; the overlap model of streaming.md M
 *
 * A function of sizes and of rates that are constants, so the same headers and memory give the same plan on every machine with as many
 * threads; measured rates may take the place of the constants where a figure is only shown. Formulas: memory.md 10. */
#ifndef ENGINE_SPEED_H
#define ENGINE_SPEED_H

#include "model/model.h"

enum { SPEED_PROMPT = 2000, SPEED_ANSWER = 200 };

struct speed_rates {      /* a second, of all threads together */
    double drive, memory; /* bytes */
    double product;       /* weights x rows, of many rows, without what unpacking takes */
    double unpack_rows;   /* unpacking a weight takes as long as its products with so many rows */
    double dot;           /* weights, with one row */
    double vector;        /* floats that functions of rows read or write */
    double attend;        /* multiplications of attention */
    double state;         /* floats of recurrent states x rows */
};

/* Of a drive, memory and cores as people have them: speed.c says where the numbers are from. */
struct speed_rates speed_usual_rates(int n_thread);
/* The same, but for what is known of a machine: fields of `known` above 0. */
struct speed_rates speed_known_rates(int n_thread, const struct speed_rates *known);

/* What of a model takes time. Weights are counted as numbers and in bytes. */
struct speed_model {
    double dense_weights, dense_bytes;   /* of the matrices that every row meets; without the output's */
    double output_weights, output_bytes; /* only rows that want logits meet it */
    double expert_weights, expert_bytes; /* of all experts of all layers */
    double
        pair_products; /* multiplications for a row and a position that it sees: layers that see all, or choose among all */
    double most_chosen;     /* positions of those that a row attends to at most; 0: to all */
    double window_products; /* the same in layers that see at most `window` positions */
    double kv_bytes;        /* of a position, in layers that see all */
    double state_floats;
    double row_floats; /* that norms, quantising, activations and sums read or write of a row */
    int window, n_moe_layer, n_expert_used;
    double n_expert;            /* of a layer, on average: of equally large ones a row's reads are exact then */
    double of_type[TYPE_COUNT]; /* weights that a row meets, by their block type */
};
void speed_describe(struct speed_model *out, const struct model *m, enum kv_type kv);

/* What of a plan decides about time. Shares are of the experts' bytes. */
struct speed_config {
    int n_prompt; /* tokens that a request has: speed_prompt() */
    int n_chunk, n_parallel, tables_on_disk;
    double held, held_in_sweeps; /* by the slots; by those that a sweep does not free for its reads */
    double known;                /* share of earlier conversations that memory still has when their next turns come */
};

struct speed {
    double prompt_seconds; /* of n_prompt rows, nothing of which is known */
    double step_seconds;   /* a token for each of n_parallel sequences */
    double hits;           /* share of the uses of experts that find them in memory, while answering */
    double read_bytes;     /* of a step */
    double seconds; /* of a request, on average over n_parallel at a time, prompts that are computed again included */
};
struct speed speed_predict(const struct speed_model *m, const struct speed_config *c, const struct speed_rates *r);

/* The tokens of a prompt in a context of n_ctx: SPEED_PROMPT, or one that fills it. Chunks for a shorter one would read all experts once
 * more for the rest of the longest. */
int speed_prompt(int n_ctx);

/* Share of uses that hit when so large a share of the experts is held: measured on recorded routes, between them lines. */
double speed_hits(double held);

#endif
