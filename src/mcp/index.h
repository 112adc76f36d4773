/* Which tools fit a question: BM25 over the words of their definitions, without a model (library.md 15).
 *
 *     posting   hash of a word, 32 bits | tool, 24 | how often, by weight, 8     ascending: a word's tools are a run
 *
 * Words of two hashes that are equal count as one word. The same list and question give the same order on every machine. A made index does
 * not change: any thread may search. */
#ifndef MCP_INDEX_H
#define MCP_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct mcp_tool;

enum {
    INDEX_TOOLS = 20000,      /* of all servers together */
    INDEX_POSTINGS = 1 << 20, /* 8 MiB of them; each tool has an equal share */
    INDEX_QUERY_WORDS = 32    /* of a question; later ones do not count */
};

struct mcp_index {
    uint64_t *posting; /* [n] */
    size_t n;
    uint32_t *length; /* [n_tool] words of each definition */
    double mean;      /* of these */
};

/* Of n <= INDEX_TOOLS tools, with `most` postings at most, up to INDEX_POSTINGS: behind these, words of the last tools are left out. -1: no
 * memory. mcp_index_free() in any case. */
int mcp_index_make(struct mcp_index *x, const struct mcp_tool *tool, size_t n, size_t most);
void mcp_index_free(struct mcp_index *x);

/* Numbers of the tools that fit best, best first, into out; returns how many, at most `most`. Of tools that fit equally well the one of the
 * first name. wanted [n_tool]: others are left out. A question that is a tool's name finds it first. No memory: 0. */
size_t mcp_index_search(const struct mcp_index *x, const struct mcp_tool *tool, size_t n_tool, const char *question,
                        size_t n, const unsigned char *wanted, size_t *out, size_t most);

#endif
