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
      "iptables -A INPUT -p tcp -j SYNPROXY", "iptables -h",
      "iptables -t raw -A PREROUTING -p udp -j CT --helper sip",
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
