import Testing

@testable import HopyardUserland

@Suite struct SessionTests {
  @Test(
    arguments: [
      "chains", "dumps", "ipv6", "more-matches", "options-legacy", "options-nft",
      "packet-matches", "targets",
    ])
  func `commands print what the real ones print`(name: String) throws {
    let bench = RuleBench()
    for entry in try Session(named: name).entries {
      if entry.startsAfresh { bench.reset() }
      #expect(
        bench.transcript(entry.command).trimmingEnd == entry.expected.trimmingEnd,
        "\(entry.command)"
      )
    }
  }

  @Test func `what is not modelled is refused, not accepted`() {
    let bench = RuleBench()
    for command in [
      "iptables -A INPUT -m time --timestart 10:00 -j ACCEPT",
      "iptables -A INPUT -p sctp --chunk-types any DATA -j ACCEPT",
      "iptables -A INPUT -j SYNPROXY", "iptables -h",
      "iptables -A INPUT -m hashlimit --hashlimit-upto 1/s --hashlimit-name a "
        + "--hashlimit-rate-match",
    ] {
      #expect(bench.run(RuleBench.words(command)).refusal != nil, "\(command)")
    }
    #expect(bench.run(["iptables", "-S", "INPUT"]).output == "-P INPUT ACCEPT\n")
  }
}

extension String {
  /// The text without the white space at its end.
  var trimmingEnd: Substring {
    var rest = self[...]
    while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
    return rest
  }
}
