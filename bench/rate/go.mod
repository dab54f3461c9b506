module m365-workload-identity/bench/rate

go 1.22
