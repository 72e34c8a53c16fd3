"""What joining codes costs, as measured: by this the planner and the allocation of a radius choose."""

#: Seconds of one core: what an item of either side costs in each table, to look up one bucket, to compare a
#: candidate that a table proposes, to compare one word of a crowded bucket's pair, and of a pair among all.
#: Measured as CPU time of ``join.near_join`` on random words (best of three; 125,000 a side in 2^14 to 2^16
#: buckets, 10,000 in one, 10^6 with the masks of 21 to 32 bits), of ``Scan.pairs`` (15,000 a side, 1 to 4
#: words) and, for the table, of all processes of a join on Spark of 300,000 to 10^7 codes a side.
TABLE, LOOK_UP, CANDIDATE, CROWDED, SCANNED = 1e-6, 3e-8, 5e-9, 8e-10, 8e-10
#: Partitions for which costs are predicted: a usual number, and the same in every run.
PARTITIONS = 8
