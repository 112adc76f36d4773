/* links: library base
 *
 * The library against recorded results (library.md 10, 11).
 *
 *     library DIR      build/data/library; the README of tests/data tells what is there */
#include "library_search.h"
#include "library_text.h"

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : TEST_DATA "/library";
    text_tests(dir);
    search_tests(dir);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
