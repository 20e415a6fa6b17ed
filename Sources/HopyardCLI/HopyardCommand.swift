import ArgumentParser

/// The command `hopyard`.
@main
struct HopyardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hopyard",
    abstract:
      "Plays Linux, Docker and Kubernetes networking packet by packet; a pcap of every hop.",
    discussion: """
      A lab is a text file with the commands that you would type as root on Linux:
      ip, bridge, iptables, ping, nc and the shell around them. Hopyard runs it in
      one process, in virtual time, on a model of the Linux network stack. A first
      lab of five lines:

        ip netns add a
        ip link add v0 type veth peer name eth0 netns a
        ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
        ip -n a addr add 10.0.0.2/24 dev eth0; ip -n a link set eth0 up
        ping -c 1 10.0.0.2

      Save it as first.lab, then:

        hopyard run first.lab              what the commands print
        hopyard run first.lab --pcap out   and a pcap of every interface, in out/
        hopyard run first.lab --explain    and each packet's journey
        hopyard shell first.lab            and then a prompt in the simulated host

      What you have already runs as it is: `hopyard run compose.yaml' or a folder of
      manifests brings it up and tries every port and name; `hopyard test DIR' runs
      scenarios with expectations; `hopyard rules' tests iptables-save dumps.

      Exit status: 0 all went well; 1 a `set -e' lab was ended by a command, or the
      run hit its limit of time or events; 2 bad input, told as file:line:column,
      or a file that cannot be written.
      """,
    version: HopyardVersion.text,
    subcommands: [
      RunCommand.self, CheckCommand.self, ShellCommand.self, TestCommand.self, WhyCommand.self,
      NewCommand.self,
      RulesCommand.self, SchemaCommand.self,
    ]
  )
}

/// The version that `hopyard --version` prints.
enum HopyardVersion {
  static let text = "hopyard 0.1.0"
}
