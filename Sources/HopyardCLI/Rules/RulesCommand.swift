import ArgumentParser
import Hopyard

/// `hopyard rules`.
struct RulesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rules",
    abstract: "Check, trace and compare iptables-save dumps.",
    subcommands: [RulesCheckCommand.self, RulesTraceCommand.self, RulesDiffCommand.self]
  )
}

/// What is said about the host whose rules are looked at.
struct RulesHostArguments: ParsableArguments {
  @Flag(
    name: .customLong("ipv6"),
    help: "The dump is one of ip6tables-save, if it does not say so."
  )
  var isIPv6 = false

  @Option(help: "Which variant read the rules: nft or legacy.")
  var iptables = IptablesVariant.nft

  @Option(
    name: .customLong("address"),
    help: "An interface of the host and its address, as eth0=192.0.2.10/24; may be repeated."
  )
  var addresses: [String] = []

  @Option(
    name: .customLong("route"),
    help: "A route of the host, as 'default via 192.0.2.1'; may be repeated."
  )
  var routes: [String] = []

  @Option(
    name: .customLong("setup"),
    help: "A command that the host runs before the rules are loaded, as 'ipset create …'."
  )
  var commands: [String] = []

  /// Loads a dump, or ends with 2.
  func load(_ path: String) throws -> (firewall: Firewall, text: String) {
    let source = try LabFile.read(path)
    let text = String(decoding: source.bytes, as: UTF8.self)
    do {
      let firewall = try Firewall(
        dump: text,
        name: source.name,
        family: isIPv6 ? .ipv6 : nil,
        variant: iptables == .nft ? .nft : .legacy,
        host: host()
      )
      return (firewall, text)
    } catch {
      Standard.error("\(error)\n")
      throw ExitCode(2)
    }
  }

  private func host() throws(Problem) -> RuleHost {
    var host = RuleHost(routes: routes, commands: commands)
    for text in addresses {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw Problem(
          file: "--address",
          location: SourceLocation(line: 1, column: 1),
          message: "\"\(text)\", expected INTERFACE=ADDRESS/LENGTH"
        )
      }
      if let index = host.interfaces.firstIndex(where: { $0.name == parts[0] }) {
        host.interfaces[index].addresses.append(parts[1])
      } else {
        host.interfaces.append(RuleHost.Interface(parts[0], parts[1]))
      }
    }
    return host
  }
}

/// `hopyard rules check`.
struct RulesCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Load a dump or say why not, and name rules that do nothing.",
    discussion: """
      What iptables-restore would refuse is refused with its words, what is not
      modelled with its place: exit status 2. Rules that no packet can meet,
      chains that no rule jumps to and jumps to empty chains are printed as
      notes; they hold for every packet.
      """
  )

  @Argument(help: "The dumps; - reads standard input.", completion: .file())
  var files: [String]

  @OptionGroup var host: RulesHostArguments

  func run() throws {
    for file in files {
      let (firewall, text) = try host.load(file)
      for problem in RuleLint.problems(in: firewall, text: text) {
        Standard.output("\(problem)\n")
      }
      var rules = 0
      var chains = 0
      for table in RuleTable.allCases {
        for chain in firewall.ruleset.existing(table)?.table.chains ?? [] {
          chains += 1
          rules += chain.rules.count
        }
      }
      Standard.output("\(firewall.name): \(rules) rules in \(chains) chains\n")
    }
    Standard.flush()
  }
}

/// `hopyard rules trace`.
struct RulesTraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Send packets through a dump's rules and show each rule that they meet.",
    discussion: """
      A packet with an interface of arrival (in eth0) enters at PREROUTING. It is for
      this host, unless it names an interface of departure (out eth1), a rule
      translates its destination, or --address and --route describe the host. One
      without is sent by this host.

        hopyard rules trace rules.save --packet 'udp 192.0.2.1:5353 > 192.0.2.10:53 in eth0'
        … --packet 'tcp 10.0.0.1:80 > 10.0.1.2:999 in eth0 out eth1 flags syn,ack state established'
      """
  )

  @Argument(help: "The dump; - reads standard input.", completion: .file())
  var file: String

  @Option(
    name: .customLong("packet"),
    help: """
      PROTO ADDRESS[:PORT] > ADDRESS[:PORT] [in IF] [out IF] [flags syn,ack] [type N/CODE]
      [state new|established|related|invalid|untracked] [reply] [mark N] [connmark N] [ttl N]
      [tos N] [length N] [fragment] [mac ADDRESS] [pkttype TYPE] [uid N] [gid N]; may be repeated.
      """
  )
  var packets: [String]

  @Option(help: "Send them through one chain only, as 'filter DOCKER-USER'.")
  var chain: String?

  @Flag(help: "Print JSON lines, one object for each packet.")
  var json = false

  @OptionGroup var host: RulesHostArguments

  func run() throws {
    let firewall = try host.load(file).firewall
    for text in packets {
      do {
        let packet = try RulePacket(text)
        let verdict = try send(packet, through: firewall)
        Standard.output(
          json ? RuleReport.json(verdict, of: packet) : RuleReport.text(verdict, of: packet)
        )
      } catch let problem as Problem {
        Standard.error("\(problem)\n")
        throw ExitCode(2)
      }
    }
    Standard.flush()
  }

  private func send(_ packet: RulePacket, through firewall: Firewall) throws -> RuleVerdict {
    guard let chain else { return try firewall.send(packet) }
    let words = chain.split(separator: " ").map(String.init)
    let table = words.count == 2 ? RuleTable(name: words[0]) : .filter
    guard let table, let name = words.last, words.count <= 2 else {
      throw ValidationError("--chain '\(chain)', expected '[TABLE] CHAIN'")
    }
    let hook: Hook = packet.input == nil ? .output : packet.output == nil ? .input : .forward
    return try firewall.send(packet, through: name, of: table, at: hook)
  }
}

/// `hopyard rules diff`.
struct RulesDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Find a packet that two dumps treat differently.",
    discussion: """
      All packets are compared at once: addresses, ports, flags, interfaces, marks and
      connection states. Exit status 0: no packet is treated differently; 1: one is,
      and is printed; 2: bad input; 3: undecided, none was found but not all were
      compared.
      """
  )

  @Argument(help: "The one dump.", completion: .file())
  var first: String

  @Argument(help: "The other.", completion: .file())
  var second: String

  @OptionGroup var host: RulesHostArguments

  func run() throws {
    let one = try host.load(first).firewall
    let other = try host.load(second).firewall
    let result: RulesetDiff.Result
    do {
      result = try RulesetDiff.compare(one, other)
    } catch {
      Standard.error("\(error)\n")
      throw ExitCode(2)
    }
    switch result {
    case .equal(let coverage):
      Standard.output("no packet is treated differently\n\(coverage.description)\n")
      Standard.flush()
    case .differs(let difference, let coverage):
      Standard.output(RuleReport.text(difference, one.name, other.name))
      Standard.output("\(coverage.description)\n")
      Standard.flush()
      throw ExitCode(1)
    case .undecided(let coverage):
      Standard.output("no packet was found that is treated differently\n\(coverage.description)\n")
      Standard.flush()
      throw ExitCode(3)
    }
  }
}
