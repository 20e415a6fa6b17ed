import Foundation

/// Measures Hopyard, alone or against the peers' programs.
@main
struct HopyardBenchmark {
  static let usage = """
    usage: HopyardBenchmark compare [--peers DIR] [--runs N] [--scale F] [--only NAME,...] [--output FILE]
           HopyardBenchmark workload NAME [--packets N] [--hosts N] [--pending N] [--rules N]
                                       [--services N] [--entries N] [--pcap DIR]
           HopyardBenchmark list

    compare   alternates our workloads and the peers' programs, prints medians, writes JSON
    workload  runs one workload and prints its figures on one line
    """

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    do {
      switch arguments.first {
      case "compare": try compare(Options(arguments.dropFirst()))
      case "workload": try workload(Options(arguments.dropFirst()))
      case "list": print(Workload.names.joined(separator: "\n"))
      default: throw Options.Failure(message: usage)
      }
    } catch {
      FileHandle.standardError.write(Data("\(error)\n".utf8))
      exit(2)
    }
  }

  private static func compare(_ options: Options) throws {
    try options.accept(["peers", "runs", "scale", "only", "output"], positional: 0)
    let scale = try options.number("scale", default: 1)
    let scratch = FileManager.default.temporaryDirectory
      .appendingPathComponent("hopyard-bench-\(getpid())").path
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    let runner = Runner(
      runs: Int(try options.number("runs", default: 5)),
      scale: scale,
      only: options["only"]?.split(separator: ",").map(String.init) ?? [],
      outputPath: options["output"] ?? "results.json",
      peers: PeerPrograms(directory: options["peers"], scale: scale),
      scratch: scratch
    )
    let succeeded = runner.run()
    try? FileManager.default.removeItem(atPath: scratch)
    exit(succeeded ? 0 : 1)
  }

  private static func workload(_ options: Options) throws {
    try options.accept(
      ["packets", "hosts", "pending", "rules", "services", "entries", "pcap"],
      positional: 1
    )
    let parameters = Workload.Parameters(
      packets: Int(try options.number("packets", default: 100_000)),
      hosts: Int(try options.number("hosts", default: 10_000)),
      pending: Int(try options.number("pending", default: 1000)),
      rules: Int(try options.number("rules", default: 1000)),
      services: Int(try options.number("services", default: 1000)),
      entries: Int(try options.number("entries", default: 1_000_000)),
      captureDirectory: options["pcap"]
    )
    let name = options.positional.first ?? ""
    guard let measurement = try Workload.run(name, parameters) else {
      throw Options.Failure(
        message:
          "unknown workload \"\(name)\"; expected one of \(Workload.names.joined(separator: ", "))"
      )
    }
    print(measurement.line)
  }
}
