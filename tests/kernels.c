/* links: kernel format base */
/* The kernels of every tier that this machine has against the scalar tier, by equality: no tolerance anywhere. The scalar tier
 * itself is held against decoded weights in f64. One hash over all outputs is printed for each tier; they must be equal, here
 * and on every other machine, whatever has compiled them. With --bench [tile | few | dot | attention [TYPE]]: rates and the roofs
 * that they are measured against. */
#include "kernels_bench.h"
#include "kernels_codes.h"
#include "kernels_products.h"
#include "kernels_vectors.h"

/* Of what the scalar tier gives in all cases: whatever compiles and runs this compares itself with all others by it. Other cases have
 * another hash; the same cases have not. */
static const uint64_t HASH_OF_ALL = 0x186ad8d29ae4ad5a;

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench(argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "");
    check_gathers();
    check_products();
    check_vectors();
    check_codes();
    check_odd_states();
    check(tier_hash[0] == HASH_OF_ALL, "the hash is not that of other compilers and machines, %016llx",
          (unsigned long long)HASH_OF_ALL);
    for (int t = 0; t < TIER_COUNT; t++) {
        if (t > (int)cpu_best_tier()) {
            printf("%-7s not on this CPU\n", cpu_tier_name((enum cpu_tier)t));
            tally.skipped++;
            continue;
        }
        printf("%-7s hash of all outputs %016llx\n", cpu_tier_name((enum cpu_tier)t), (unsigned long long)tier_hash[t]);
        check(tier_hash[t] == tier_hash[0], "the hash of %s differs", cpu_tier_name((enum cpu_tier)t));
    }
    printf("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
    return tally.failed > 0;
}
