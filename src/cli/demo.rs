//! `causeway demo`: a lab and a bridge on this machine, a signed ticket, and the story of what happens.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::lab::ToolsArgs;
use super::output::{BAD, BOLD, DIM, GOOD, WARN, paint};
use super::{Output, serve, story};
use crate::demo::{
    Ending, Listener, RealEnding, Rig, RigOptions, SCENARIOS, Scenario, play, play_real, real_rig,
    real_tickets,
};
use crate::journal::Recorded;
use crate::lab::faults::FaultPlan;
use crate::telemetry;
use crate::vm_request::hold::OperatorAction;
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::{Event, RequestId};

/// What to play.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Which scenario to play.
    #[arg(long, value_name = "NAME", default_value = "happy")]
    scenario: String,
    /// List the scenarios and end.
    #[arg(long)]
    list_scenarios: bool,
    /// Leave everything running afterwards, and tell the addresses.
    #[arg(long)]
    keep: bool,
    /// The lab's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let the real playbooks do the work, in govmomi's vCenter simulator: seven tickets, every operating system.
    #[arg(long, conflicts_with = "scenario")]
    real: bool,
    /// With --real: only the first so many tickets.
    #[arg(long, value_name = "COUNT", requires = "real")]
    tickets: Option<usize>,
    #[command(flatten)]
    tools: ToolsArgs,
}

pub(super) fn run(args: &DemoArgs, log: Option<&str>, output: &Output) -> anyhow::Result<ExitCode> {
    if args.list_scenarios {
        for scenario in SCENARIOS {
            let document = json!({"name": scenario.name, "story": scenario.story});
            output.tell(&document, || format!("{:<24} {}", paint(scenario.name, BOLD), scenario.story));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.real {
        telemetry::start(log.unwrap_or("error"), false)?;
        return super::runtime()?.block_on(tell_real(args, output));
    }
    let scenario = Scenario::named(&args.scenario)
        .with_context(|| format!("no scenario is named `{}`; --list-scenarios names them", args.scenario))?;
    telemetry::start(log.unwrap_or("error"), false)?;
    super::runtime()?.block_on(tell(args, scenario, output))
}

async fn tell(args: &DemoArgs, scenario: &'static Scenario, output: &Output) -> anyhow::Result<ExitCode> {
    let faults = FaultPlan::parse(scenario.faults, args.seed)?;
    let mut rig = Rig::start(RigOptions { faults, ..RigOptions::quiet(args.seed) }).await?;
    output.line(format!("{}: {}", paint(scenario.name, BOLD), scenario.story));
    output.line(paint(places(&rig), DIM));
    output.line("");
    let mut narrator = Narrator::new(output);
    let played = play(&mut rig, scenario, &mut narrator).await;
    let code = match played {
        Ok(ending) => {
            show(&ending, output);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output.error(&error.context(format!("scenario {} did not end as its story says", scenario.name)));
            ExitCode::FAILURE
        }
    };
    let verified = rig.journal()?.verify().await?;
    output.line(match verified.is_sound() {
        true => format!("journal: {} events, hash chain {}", verified.events, paint("sound", GOOD)),
        false => format!("journal: {}", paint("not sound", BAD)),
    });
    if args.keep {
        keep(&rig, output).await?;
    }
    rig.stop().await;
    Ok(if verified.is_sound() { code } else { ExitCode::FAILURE })
}

async fn tell_real(args: &DemoArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let mut tickets = real_tickets()?;
    tickets.truncate(args.tickets.unwrap_or(usize::MAX));
    let rig = real_rig(args.seed, args.tools.tools()).await?;
    output.line(paint(places(&rig), DIM));
    output.line("");
    let mut narrator = Narrator { names: Some(BTreeMap::new()), ..Narrator::new(output) };
    let endings = play_real(&rig, &tickets, &mut narrator).await?;
    output.line("");
    for ending in &endings {
        show_real(ending, output);
    }
    let verified = endings.iter().filter(|ending| ending.is_verified()).count();
    let journal = rig.journal()?.verify().await?;
    output.line(format!(
        "{verified} of {} verified; journal: {} events, hash chain {}",
        tickets.len(),
        journal.events,
        if journal.is_sound() { "sound" } else { "not sound" }
    ));
    if args.keep {
        keep(&rig, output).await?;
    }
    rig.stop().await;
    let is_good = verified == tickets.len() && journal.is_sound();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show_real(ending: &RealEnding, output: &Output) {
    let state = &ending.state;
    let document = json!({
        "request": ending.id, "vm_name": ending.vm_name, "phase": state.phase, "verified": ending.is_verified(),
        "runs": ending.runs, "hold": state.hold, "vm": state.vm, "host_variables": ending.host_variables,
    });
    output.tell(&document, || {
        let mut lines = vec![format!(
            "{:<12} {}",
            paint(&ending.vm_name, BOLD),
            paint(state.phase.name(), if ending.is_verified() { GOOD } else { BAD })
        )];
        lines.extend(state.vm.as_ref().map(vm_line));
        if let Some(hold) = &state.hold {
            lines.push(format!("  {hold:?}"));
        }
        lines.join("\n")
    });
}

fn places(rig: &Rig) -> String {
    format!("controller {}, vCenter {}, bridge {}", rig.lab.controller_url, rig.vcenter_url(), rig.url())
}

/// Tells each event as it happens.
struct Narrator {
    output: Output,
    began: Option<jiff::Timestamp>,
    /// The VMs' names by request, where several are told of at once.
    names: Option<BTreeMap<RequestId, String>>,
}

impl Narrator {
    fn new(output: &Output) -> Self {
        Self { output: *output, began: None, names: None }
    }

    /// What stands before each line about a request: the VM's name, where there are several.
    fn name_of(&mut self, recorded: &Recorded) -> String {
        let Some(names) = &mut self.names else { return String::new() };
        if let Event::Received(received) = &recorded.event {
            names.insert(recorded.request_id.clone(), received.spec.vm_name.clone());
        }
        names.get(&recorded.request_id).map_or_else(String::new, |name| format!("{name:<12}"))
    }
}

impl Listener for Narrator {
    fn event(&mut self, recorded: &Recorded) {
        let began = *self.began.get_or_insert(recorded.at);
        let after = recorded.at.duration_since(began).as_secs_f64();
        let name = self.name_of(recorded);
        let document =
            json!({"seq": recorded.seq, "at": recorded.at, "type": recorded.kind, "event": recorded.event});
        self.output.tell(&document, || {
            let mut lines = story::lines(&recorded.event).into_iter();
            let first = lines.next().unwrap_or_default();
            let more: String = lines.map(|line| format!("\n        {line}")).collect();
            format!("{} {}{first}{more}", paint(format!("{after:6.2}s"), DIM), paint(name, BOLD))
        });
    }

    fn operator(&mut self, action: OperatorAction) {
        self.output.line(format!("        {}", paint(format!("the operator: {}", action.name()), WARN)));
    }
}

fn show(ending: &Ending, output: &Output) {
    let state = &ending.state;
    let document = json!({
        "request": ending.id, "phase": state.phase, "attempts": state.attempt_no, "runs": ending.runs,
        "vms": ending.vms, "vm": state.vm, "host_variables": ending.host_variables,
    });
    output.tell(&document, || {
        let mut lines = vec![String::new()];
        if let Some(vm) = &state.vm {
            lines.push(paint(format!("VM {} as vCenter shows it", vm.name), BOLD));
            lines.push(vm_line(vm));
        }
        if let Some(variables) = ending.host_variables.as_ref().filter(|_| state.vm.is_some()) {
            lines.push(paint("Host variables in the inventory", BOLD));
            for name in ["vm_state", "vm_id", "ip_address", "last_task", "last_task_status", "causeway"] {
                if let Some(value) = variables.get(name) {
                    lines.push(format!("  {name:<17} {value}"));
                }
            }
        }
        lines.push(format!(
            "{}: {} after {} attempt(s); the controller saw {} run(s); VMs built: {}",
            ending.id,
            paint(state.phase.name(), GOOD),
            state.attempt_no,
            ending.runs,
            ending.vms
        ));
        lines.join("\n")
    });
}

fn vm_line(vm: &VmSighting) -> String {
    let adapters: Vec<&str> = vm.nics.iter().filter_map(|nic| nic.network.as_deref()).collect();
    let disks: Vec<String> =
        vm.disks.iter().map(|disk| format!("{} GiB", disk.capacity_mib / 1024)).collect();
    let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    format!(
        "  {} {}, {} CPU, {} MiB, folder {}, networks {}, disks {}, address {}",
        vm.moid,
        known(vm.instance_uuid.clone()),
        known(vm.cpu.map(|cpu| cpu.to_string())),
        known(vm.memory_mib.map(|memory| memory.to_string())),
        vm.folder,
        adapters.join(" + "),
        disks.join(" + "),
        known(vm.ip_address.clone())
    )
}

async fn keep(rig: &Rig, output: &Output) -> anyhow::Result<()> {
    let url = rig.url();
    let document = json!({
        "bridge": url, "controller": rig.lab.controller_url, "vcenter": rig.vcenter_url(), "token": rig.api_token(),
    });
    output.tell(&document, || {
        let (token, secret) = (rig.api_token(), rig.webhook_secret());
        let body = r#"{"vm_name":"web02","environment":"prod","vm_os":"suse","vm_os_version":"15","size":"small"}"#;
        format!(
            "\n{}\n  controller {}\n  vCenter    {}\n  bridge     {url}\n\nAsk for another VM:\n  curl -sS {url}/api/v1/vm-requests -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{body}'\n\nOr send a signed ticket, as an ITSM system does (its answer names the request):\n  echo '{body}' > ticket.json\n  eval \"curl -sS {url}/hooks/itsm -H 'Content-Type: application/json' --data-binary @ticket.json $(CAUSEWAY_SECRET={secret} causeway sign --curl ticket.json)\"\n\nInterrupt to end.",
            paint("Everything keeps running", BOLD),
            rig.lab.controller_url,
            rig.vcenter_url()
        )
    });
    serve::stop_signal().await?;
    Ok(())
}
