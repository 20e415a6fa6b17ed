import Foundation

/// The peers' programs, built by `Scripts/bench` in a scratch folder.
///
/// Whatever is not there, or fails once, is left out and its reason is kept for the table.
final class PeerPrograms {
  /// The kernel's programs send many packets; this share of them gives the same figures sooner.
  private static let kernelShare = 0.4
  private static let noFolder = "no folder of peers' programs (HOPYARD_BASELINE)"

  let directory: String?
  let scale: Double
  private(set) var absent: [String: String] = [:]
  private var floorFigures: [String: Double] = [:]

  init(directory: String?, scale: Double) {
    self.directory = directory
    self.scale = scale
  }

  /// The name that the table shows for a peer.
  func name(of peer: Comparison.Peer) -> String {
    switch peer {
    case .ns3: "ns-3 \(version("ns3") ?? "")".trimmingCharacters(in: .whitespaces)
    case .linux, .linuxRules:
      "Linux \(version("kernel") ?? "")".trimmingCharacters(in: .whitespaces)
    case .htsim: "htsim"
    case .floor: "C floor"
    }
  }

  /// Runs the peer's program once and returns the compared value, or nil where it is missing.
  func measure(_ comparison: Comparison, captureDirectory: String) -> Double? {
    guard let peer = comparison.peer else { return nil }
    let key = family(peer)
    guard absent[key] == nil else { return nil }
    guard let directory else {
      absent[key] = Self.noFolder
      return nil
    }
    switch peer {
    case .ns3(let arguments, let figure):
      var command = ["\(directory)/ns3/ns3bench"] + arguments
      if comparison.captures { command.append("--pcap=\(captureDirectory)/t") }
      guard let measurement = run(command, in: directory, key: key) else { return nil }
      return measurement[figure].flatMap { value(of: comparison.metric, $0) }
    case .linux(let workload):
      if let reason = note("kernel/ABSENT") {
        absent[key] = reason
        return nil
      }
      let command = [
        "python3", "\(directory)/kernel/netlab.py", "--reps", "1", "--only", workload, "--scale",
        "\(scale * Self.kernelShare)",
      ]
      guard let measurement = run(command, in: directory, key: key) else { return nil }
      return measurement["ns_per_hop"].flatMap { value(of: comparison.metric, $0) }
    case .linuxRules(let count):
      if let reason = note("kernel/ABSENT") {
        absent[key] = reason
        return nil
      }
      let command = [
        "python3", "\(directory)/kernel/netrules.py", "rules\(count)", "--scale",
        "\(scale * Self.kernelShare)",
      ]
      guard let measurement = run(command, in: directory, key: key) else { return nil }
      return measurement["ns_per_hop"].flatMap { value(of: comparison.metric, $0) }
    case .htsim(let links):
      let packets = Int(4_500_000 * scale) / links
      let command = ["\(directory)/htsim/chain", "\(packets)", "\(links)"]
      guard let measurement = run(command, in: directory, key: key) else { return nil }
      return measurement["ns_per_hop_user"].flatMap { value(of: comparison.metric, $0) }
    case .floor(let figure):
      return floorFigures[figure]
    }
  }

  /// Runs the C program of the floor once; its figures serve all comparisons of this round.
  func measureFloor() {
    floorFigures = [:]
    guard absent["floor"] == nil else { return }
    guard let directory else {
      absent["floor"] = Self.noFolder
      return
    }
    let program = "\(directory)/floor/floor"
    guard FileManager.default.isExecutableFile(atPath: program) else {
      absent["floor"] = reason(for: "floor")
      return
    }
    let outcome = Subprocess.run(pinned([program, "\(directory)/floor/scratch.pcap"]))
    for line in outcome.output.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count == 3, let value = Double(fields[2]) else { continue }
      floorFigures["\(fields[0]):\(fields[1])"] = value
    }
  }

  /// Keeps a program on one CPU, as the peers' own runner does.
  func pinned(_ command: [String]) -> [String] { ["taskset", "-c", "1"] + command }

  private func run(_ command: [String], in directory: String, key: String) -> Measurement? {
    if command[0].hasPrefix("/"), !FileManager.default.isExecutableFile(atPath: command[0]) {
      absent[key] = reason(for: key)
      return nil
    }
    // The kernel's program pins itself.
    let outcome = Subprocess.run(key == "kernel" ? command : pinned(command), in: directory)
    guard outcome.status == 0 else {
      absent[key] = outcome.complaint
      return nil
    }
    return Measurement(parsing: outcome.output)
  }

  private func value(of metric: Comparison.Metric, _ figure: Double) -> Double? {
    guard figure > 0 else { return nil }
    return switch metric {
    case .hopsPerSecond: 1e9 / figure
    case .nanosecondsPerHop, .nanosecondsPerOperation: figure
    case .bytesPerHost: figure * 1024 / 10_000
    case .bytesPerConnection: figure
    }
  }

  private func family(_ peer: Comparison.Peer) -> String {
    switch peer {
    case .ns3: "ns3"
    case .linux, .linuxRules: "kernel"
    case .htsim: "htsim"
    case .floor: "floor"
    }
  }

  private func version(_ folder: String) -> String? {
    if folder == "kernel" {
      let text = try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)
      return text?.split(whereSeparator: { $0 == "-" || $0 == "\n" }).first.map(String.init)
    }
    return note("\(folder)/VERSION")
  }

  private func reason(for key: String) -> String { note("\(key)/ABSENT") ?? "not built" }

  private func note(_ path: String) -> String? {
    guard let directory else { return nil }
    let text = try? String(contentsOfFile: "\(directory)/\(path)", encoding: .utf8)
    return text?.split(separator: "\n").first.map(String.init)
  }
}
