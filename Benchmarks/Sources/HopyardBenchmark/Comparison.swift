/// One line of the table: a workload of ours and the peer's program that does the same.
struct Comparison {
  /// How a run of either side becomes the compared value.
  enum Metric {
    /// Packet-hops for each second of CPU time: more is better.
    case hopsPerSecond
    /// Nanoseconds of CPU time for each packet-hop: less is better.
    case nanosecondsPerHop
    /// Resident bytes for each idle host: less is better.
    case bytesPerHost
    /// Resident bytes for each tracked connection: less is better.
    case bytesPerConnection
    /// Nanoseconds for each operation: less is better.
    case nanosecondsPerOperation

    var unit: String {
      switch self {
      case .hopsPerSecond: "packet-hops/s"
      case .nanosecondsPerHop: "ns CPU/packet-hop"
      case .bytesPerHost: "bytes/host"
      case .bytesPerConnection: "bytes/connection"
      case .nanosecondsPerOperation: "ns/operation"
      }
    }

    var moreIsBetter: Bool {
      if case .hopsPerSecond = self { true } else { false }
    }

    /// How many times better `ours` is than `theirs`.
    func ratio(_ ours: Double, _ theirs: Double) -> Double {
      moreIsBetter ? ours / theirs : theirs / ours
    }
  }

  /// A program of the peers' folder, and the figure of its output that counts.
  enum Peer {
    case ns3(arguments: [String], figure: String)
    case linux(workload: String)
    /// Chains of rules in the real kernel.
    case linuxRules(count: Int)
    case htsim(links: Int)
    case floor(figure: String)
  }

  /// What has to be reached, as told in the project's goals.
  enum Goal {
    case times(Double)
    case atMost(Double)
  }

  var name: String
  var metric: Metric
  /// The workload's name and options, as `HopyardBenchmark workload` takes them.
  var arguments: [String]
  /// The figure of our own output that counts.
  var figure: String
  var peer: Peer?
  var goal: Goal?
  /// Packet captures are written to a folder that is removed after each run.
  var captures = false

  /// All comparisons, with packet counts multiplied by `scale`.
  static func all(scale: Double) -> [Comparison] {
    func count(_ n: Int) -> String { String(max(1000, Int(Double(n) * scale))) }
    func ns3(_ workload: String, _ n: Int) -> Peer {
      .ns3(arguments: [workload, "--n=\(count(n))"], figure: "ns_per_hop_cpu")
    }
    func linux(_ name: String, _ n: Int, _ workload: String) -> Comparison {
      Comparison(
        name: "linux-\(name)",
        metric: .nanosecondsPerHop,
        arguments: [name, "--packets", count(n)],
        figure: "ns_per_hop_cpu",
        peer: .linux(workload: workload),
        goal: .times(5)
      )
    }
    var list: [Comparison] = []
    for (workload, ours, theirs) in [("chain", 500_000, 100_000), ("bridge", 1_000_000, 150_000)] {
      list.append(
        Comparison(
          name: workload,
          metric: .hopsPerSecond,
          arguments: ["stream-\(workload)", "--packets", count(ours)],
          figure: "ns_per_hop_cpu",
          peer: ns3(workload, theirs),
          goal: .times(20)
        )
      )
      list.append(
        Comparison(
          name: "\(workload)-pcap",
          metric: .hopsPerSecond,
          arguments: ["stream-\(workload)", "--packets", count(ours / 2)],
          figure: "ns_per_hop_cpu",
          peer: ns3(workload, theirs),
          goal: .times(10),
          captures: true
        )
      )
    }
    list += [
      linux("veth", 1_000_000, "veth"),
      linux("bridge", 1_000_000, "bridge"),
      linux("chain8", 400_000, "chain8"),
      linux("chain8-fw-est", 200_000, "chain8-fw-est"),
      linux("chain8-fw-scan", 200_000, "chain8-fw-scan"),
    ]
    list += ruleComparisons(count)
    list.append(
      Comparison(
        name: "nic-switch",
        metric: .hopsPerSecond,
        arguments: ["stream-switch", "--packets", count(1_000_000)],
        figure: "ns_per_hop_cpu",
        peer: ns3("bridge", 150_000)
      )
    )
    for (name, links) in [("chain", 9), ("bridge", 2)] {
      list.append(
        Comparison(
          name: "htsim-\(name)",
          metric: .nanosecondsPerHop,
          arguments: ["stream-\(name)", "--packets", count(4_500_000 / links)],
          figure: "ns_per_hop_cpu",
          peer: .htsim(links: links),
          goal: .times(1)
        )
      )
    }
    list.append(
      Comparison(
        name: "idle10k",
        metric: .bytesPerHost,
        arguments: ["idle", "--hosts", "10000"],
        figure: "bytes_per_host",
        peer: .ns3(
          arguments: ["mesh", "--switches=100", "--per_host=0"],
          figure: "setup_rss_kb"
        ),
        goal: .atMost(8192)
      )
    )
    list.append(
      Comparison(
        name: "tcp-bulk",
        metric: .hopsPerSecond,
        arguments: ["tcp-bulk", "--packets", count(700_000)],
        figure: "ns_per_hop_cpu",
        peer: .ns3(
          arguments: ["tcp", "--bytes=\(count(200_000_000))"],
          figure: "ns_per_hop_cpu"
        ),
        goal: .times(10)
      )
    )
    for pending in [16, 1000, 100_000] {
      list.append(
        Comparison(
          name: "closure-event-\(pending)",
          metric: .nanosecondsPerOperation,
          arguments: ["closure-event", "--pending", "\(pending)", "--packets", count(2_000_000)],
          figure: "ns_per_operation",
          peer: .floor(figure: "event-queue-pop+push-pending:\(pending)")
        )
      )
    }
    list.append(
      Comparison(
        name: "pcap-record",
        metric: .nanosecondsPerOperation,
        arguments: ["pcap-record", "--packets", count(2_000_000)],
        figure: "ns_per_operation",
        peer: .floor(figure: "pcap-record-to-file-bytes:158"),
        captures: true
      )
    )
    list.append(
      Comparison(
        name: "program-step",
        metric: .nanosecondsPerOperation,
        arguments: ["program-step", "--packets", count(200_000)],
        figure: "ns_per_operation"
      )
    )
    return list
  }

  /// Rules and connections by thousands.
  private static func ruleComparisons(_ count: (Int) -> String) -> [Comparison] {
    var list: [Comparison] = []
    for rules in [10, 1000, 10_000, 100_000] {
      list.append(
        Comparison(
          name: "rules-\(rules)",
          metric: .nanosecondsPerHop,
          arguments: ["rules", "--rules", "\(rules)", "--packets", count(300_000)],
          figure: "ns_per_hop_cpu",
          peer: .linuxRules(count: rules),
          goal: .times(5)
        )
      )
    }
    for (name, services) in [("kube1k", 1000), ("kube10k", 10_000)] {
      list.append(
        Comparison(
          name: "linux-\(name)-est",
          metric: .nanosecondsPerHop,
          arguments: ["kube-est", "--services", "\(services)", "--packets", count(300_000)],
          figure: "ns_per_hop_cpu",
          peer: .linux(workload: "\(name)-est"),
          goal: .times(5)
        )
      )
      list.append(
        Comparison(
          name: "linux-\(name)-new",
          metric: .nanosecondsPerHop,
          arguments: ["kube-new", "--services", "\(services)", "--packets", count(100_000)],
          figure: "ns_per_hop_cpu",
          peer: .linux(workload: "\(name)-new"),
          goal: .times(10)
        )
      )
    }
    for (name, entries) in [("1k", 1000), ("1M", 1_000_000)] {
      list.append(
        Comparison(
          name: "conntrack-\(name)-packet",
          metric: .nanosecondsPerOperation,
          arguments: ["conntrack", "--entries", "\(entries)", "--packets", count(300_000)],
          figure: "ns_per_operation"
        )
      )
    }
    list.append(
      Comparison(
        name: "conntrack-1M",
        metric: .bytesPerConnection,
        arguments: ["conntrack", "--entries", "1000000", "--packets", "1000"],
        figure: "bytes_per_entry",
        goal: .atMost(256)
      )
    )
    return list
  }
}
