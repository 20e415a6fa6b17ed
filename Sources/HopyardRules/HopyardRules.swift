// Tests of netfilter rulesets: load a dump, send a packet, ask which rules decided.
