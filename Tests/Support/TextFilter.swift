/// The substitutions made in command output, state files and kernel log lines.
///
/// Rules run one after another over all lines, because a rule may give the next name to a number.
struct TextFilter {
  private let names: LabNames
  private let rules: [Rule]

  /// A rule rewrites the lines that hold one of its needles; nil removes the line.
  private struct Rule {
    var needles: [Needle]
    var rewrite: (String) -> String?
  }

  init(names: LabNames) {
    self.names = names
    var rules: [Rule] = []
    if names.showsIPv6 {
      rules.append(
        Rule(needles: [Needle(":")]) { AddressRuns.replaceIPv6($0, with: names.ipv6(inText:)) }
      )
    }
    rules += TextFilter.nameRules(names)
    rules += TextFilter.toolRules(names)
    rules += TextFilter.timeRules()
    rules += TextFilter.tableRules()
    rules += TextFilter.addressRules(names)
    self.rules = rules
  }

  /// The text with every rule applied.
  func apply(to text: String) -> String {
    if text.isEmpty { return text }
    var lines = text.newlineSeparated.map(Optional.some)
    for rule in rules {
      let needles = rule.needles.filter { $0.occurs(in: text) }
      if needles.isEmpty && !rule.needles.isEmpty { continue }
      for index in lines.indices {
        guard let line = lines[index], needles.contains(where: { $0.occurs(in: line) }) else {
          continue
        }
        lines[index] = rule.rewrite(line)
      }
    }
    return lines.compactMap { $0 }.joined(separator: "\n")
  }

  private static func rule<Output>(
    _ needles: [String],
    _ pattern: Regex<Output>,
    _ replacement: @escaping (Regex<Output>.Match) -> String
  ) -> Rule {
    let regex = pattern.matchingSemantics(.unicodeScalar).asciiOnlyCharacterClasses()
    return Rule(needles: needles.map(Needle.init)) { $0.replacing(regex, with: replacement) }
  }

  /// A rule for what begins a word.
  ///
  /// `\b` is not used: the one kind of it follows Unicode's rules for prose, in which `1.2` is one
  /// word, and the other finds no end of a word before a space (Swift 6.3).
  private static func wordRule<Output>(
    _ needles: [String],
    _ pattern: Regex<Output>,
    _ replacement: @escaping (Regex<Output>.Match) -> String
  ) -> Rule {
    let regex = pattern.matchingSemantics(.unicodeScalar).asciiOnlyCharacterClasses()
    return Rule(needles: needles.map(Needle.init)) { line in
      line.replacing(regex) { match in
        let before = line.utf8[..<match.range.lowerBound].last
        let isInside = before.map(AddressRuns.isWord) ?? false
        return isInside ? String(line[match.range]) : replacement(match)
      }
    }
  }

  /// Removes the lines that begin with a pattern.
  private static func removal<Output>(_ needle: String, _ pattern: Regex<Output>) -> Rule {
    let regex = pattern.matchingSemantics(.unicodeScalar).asciiOnlyCharacterClasses()
    return Rule(needles: [Needle(needle)]) { $0.prefixMatch(of: regex) == nil ? $0 : nil }
  }

  private static func number(_ digits: Substring) -> Int { Int(digits) ?? .max }

  // MARK: Ports

  private static func nameRules(_ names: LabNames) -> [Rule] {
    [
      wordRule(
        ["port=", "PT="],
        /((?:sport|dport|SPT|DPT|src_port|dst_port)=)(\d+)/
      ) { $0.1 + names.port(number($0.2)) },
      rule(
        ["Connection received on "],
        /^(Connection received on \S+ )(\d+)/
      ) { $0.1 + names.port(number($0.2)) },
      // ss, socat -d, curl -w, dig
      wordRule(
        [":", "#"],
        /(\d+\.\d+\.\d+\.\d+(?:%[\w.\-]+)?[:#])(\d{4,5})(?!\w)/
      ) { $0.1 + names.port(number($0.2)) },
    ]
  }

  // MARK: What tools say of their own run

  private static func toolRules(_ names: LabNames) -> [Rule] {
    [
      rule(["socat["], /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d socat\[\d+\]/) { _ in "T socat[P]" },
      rule(["socat["], /^(T socat\[P\] E \w+\(\d+, )0x[0-9a-f]+/) { $0.1 + "PTR" },
      wordRule(["after "], /after \d+ (ms|milliseconds)/) { "after T " + $0.1 },
      rule([";; Query time: "], /^(;; Query time: )\d+ \w+/) { $0.1 + "T" },
      rule([";; WHEN: "], /^(;; WHEN: ).*/) { $0.1 + "T" },
      rule(
        [";; ->>HEADER<<-"],
        /^(;; ->>HEADER<<-.* id: )(\d+)/
      ) { $0.1 + names.dnsID(number($0.2)) },
      rule(["; COOKIE: "], /^(; COOKIE: )[0-9a-f]+/) { $0.1 + "*" },
      rule(
        ["\tIN\t"],
        /^(\S+\.\t+)(\d+)(?=\tIN\t)/
      ) { $0.1 + String(TextForm.tens(number($0.2))) },
      rule(
        ["Date: ", "Last-Modified: "],
        /^((?:[*<>] )*(?:Date|Last-Modified): ).*?(\r?)$/
      ) { $0.1 + "T" + $0.2 },
      rule(
        ["ICMP echo re"],
        /(ICMP echo (?:request|reply), id )(\d+)/
      ) { $0.1 + names.echoID(number($0.2)) },
      // tcpdump
      wordRule(["TS val ", "ecr "], /(TS val |ecr )[1-9]\d*/) { $0.1 + "*" },
      rule(["Flags ["], /(Flags \[\S+\],.*?\W(?:seq|ack) )\d{7,}/) { $0.1 + "*" },
      rule(["Flags ["], /(Flags \[\S+\],.*?\Wack )\d{7,}/) { $0.1 + "*" },
      // the log of a small web server
      rule(["["], /\[\d\d\/\w{3}\/\d{4} \d\d:\d\d:\d\d\]/) { _ in "[T]" },
      wordRule(
        ["id=", "ID="],
        /(id=|ID=)(\d+)(?= SEQ=| \[|\s+(?:src|mark|use|type|packets|zone|\[UN)|$)/
      ) { $0.1 + names.echoID(number($0.2)) },
      // a line of -j LOG
      wordRule(["TTL="], /TTL=(\d+) ID=\d+/) { "TTL=\($0.1) ID=*" },
      wordRule(["WINDOW=", "SEQ=", "ACK="], /(WINDOW|SEQ|ACK)=\d{2,}/) { $0.1 + "=*" },
      wordRule(
        ["OPT ("],
        /OPT \(((?:[0-9A-F]{2})*?)080A[0-9A-F]{16}/
      ) { "OPT (\($0.1)080A*" },
    ]
  }

  // MARK: Times

  private static func timeRules() -> [Rule] {
    [
      wordRule(["time=", "time<"], /time[=<][\d.]+ ?ms/) { _ in "time=T" },
      rule([", time "], #/, time \d+ms/#) { _ in ", time T" },
      rule(["rtt min"], /^rtt min.*$/) { _ in "rtt T" },
      rule(["ms"], #/  \d+\.\d+ ?ms/#) { _ in "  T" },
      rule([" msec"], /\d+\.\d+ msec/) { _ in "T" },
      wordRule(["time="], /time=[\d.]+ [mu]?sec/) { _ in "time=T" },
    ]
  }

  // MARK: Listings of tables

  private static func tableRules() -> [Rule] {
    [
      rule(["(conntrack-tools): "], #/^.*conntrack v\S+ \(conntrack-tools\): /#) { _ in "" },
      rule(
        ["tcp ", "udp ", "icmp ", "icmpv6 ", "unknown ", "gre ", "sctp "],
        #/^((?:ipv[46] +\d+ +)?(?:tcp +6|udp +17|icmp +1|icmpv6 +58|unknown +\d+|gre +47|sctp +132) )(\d+) /#
      ) { "\($0.1)<=\(usualTimeout(number($0.2))) " },
      rule([" use="], #/ use=\d+/#) { _ in "" },
      wordRule(["initval 0x"], /initval 0x[0-9a-f]+/) { _ in "initval *" },
      rule(["Size in memory: "], /^Size in memory: \d+/) { _ in "Size in memory: *" },
      wordRule(
        ["timeout ", "expires "],
        /(timeout|expires|cache expires) (\d+)(?=\D|$)/
      ) { "\($0.1) <=\(TextForm.tens(number($0.2)))" },
      removal("# ", /# (Generated|Completed)/),
      removal("/run/lab-lines/", /\/run\/lab-lines\/\d+: line \d+: +\d+ (Terminated|Killed)/),
      rule(["/run/lab-lines/"], /\/run\/lab-lines\/\d+: line \d+/) { _ in "bash" },
    ]
  }

  private static func usualTimeout(_ seconds: Int) -> Int {
    WellKnown.timeouts.first { seconds <= $0 } ?? seconds
  }

  // MARK: Addresses

  private static func addressRules(_ names: LabNames) -> [Rule] {
    [
      // the Ethernet header in a line of -j LOG
      rule(
        [":08:00"],
        /((?:[0-9a-f]{2}:){5}[0-9a-f]{2}):((?:[0-9a-f]{2}:){5}[0-9a-f]{2}):(08:00)/
      ) { "\(names.mac(String($0.1)))/\(names.mac(String($0.2)))/0800" },
      Rule(needles: [Needle(":")]) {
        AddressRuns.replaceMAC($0) { names.mac($0.lowercased()) }
      },
    ]
  }
}
