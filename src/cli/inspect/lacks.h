/* What stoker would need for a file that it does not run: tensors that no architecture here has, and a tokenizer. Block types are not among
 * it: a file with one that is not known is refused by its name, and nothing else of it can be shown. */
#ifndef CLI_INSPECT_LACKS_H
#define CLI_INSPECT_LACKS_H

#include "format/gguf.h"

struct json_t;

enum { LACKS_MOST = 16 };
/* tensor: names without number of layer and ".weight", each once; they point into the headers. tokenizer: the sentence why its texts cannot
 * be read; "": there is none, or nothing is wrong with it. */
struct lacks {
    struct gguf_string tensor[LACKS_MOST];
    int n_tensor, has_more;
    char tokenizer[512];
};

/* Has any architecture a tensor of this name, in any layer, or may it stand beside the model of text? */
int is_known_tensor(const char *name);

/* Is it a model, or the vocabulary of one, so that it has a number of layers? Vectors, adapters, projectors and importance are none. */
int is_model_header(const struct gguf *g);

/* Fills *l; cannot fail. g, the file's headers, has to outlive it; path: that of the same file. */
void find_lacks(struct lacks *l, const struct gguf *g, const char *path);

/* Lines of the summary; none where nothing is lacking. */
void print_lacks(const struct lacks *l);

/* The same for programs, with the sentence why it does not run. The caller owns it. */
struct json_t *json_lacks(const struct lacks *l, const char *refusal);

#endif
