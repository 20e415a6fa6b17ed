public import HopyardSimulator
public import HopyardUserland

/// Makes machines with the usual commands.
public enum MachineFactory {
  /// A machine whose root namespace is `root`, with files and commands.
  public static func make(
    _ name: String,
    in simulation: Simulation,
    iptables: IptablesVariant = .nft
  ) -> Userland {
    let machine = Machine(simulation: simulation, name: name, rootName: "root")
    let userland = Userland(
      machine: machine,
      commands: CommandTable.labCommands(iptables: iptables)
    )
    userland.mountNetworkTrees()
    userland.hostname = name
    return userland
  }
}
