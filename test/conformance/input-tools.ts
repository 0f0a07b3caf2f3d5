import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
  type createRequestStateCodec,
  type ElicitRequestFormParams,
  type InputRequest,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { NO_ARGUMENTS, toTextResult } from "./samples.ts";

type Result = ReturnType<typeof toTextResult> | ReturnType<typeof inputRequired>;

const Step = z.object({ step: z.number() });
const Envelope = z.object({
  [CLIENT_CAPABILITIES_META_KEY]: z.object({
    elicitation: z.looseObject({}).optional(),
    sampling: z.looseObject({}).optional(),
  }),
});
const Name = z.object({ name: z.string() });

const askText = (message: string, field: string): InputRequest => ask(message, { [field]: { type: "string" } });
const askName = askText("What is your name?", "name");
const askConsent = ask("Please confirm", { ok: { type: "boolean" } });
const askRoots = inputRequired.listRoots();

/** Tools that ask for input by answering `input_required`, which the client sends along with a second call. */
export function registerInputTools(server: McpServer, state: ReturnType<typeof createRequestStateCodec>): void {
  const tool = (name: string, answer: (context: ServerContext) => Result | Promise<Result>): void => {
    server.registerTool(name, { description: "Asks for input", inputSchema: NO_ARGUMENTS }, async (_args, context) =>
      answer(context),
    );
  };

  tool("test_missing_capability", () => inputRequired({ inputRequests: { question: askModel("Hello") } }));
  tool("test_streaming_elicitation", ({ mcpReq }) =>
    acceptedContent(mcpReq.inputResponses, "name")
      ? toTextResult("ok")
      : inputRequired({ inputRequests: { name: askName } }),
  );
  tool("test_input_required_result_elicitation", ({ mcpReq }) => {
    const user = acceptedContent(mcpReq.inputResponses, "user_name", Name);
    return user ? toTextResult(`Hello, ${user.name}!`) : inputRequired({ inputRequests: { user_name: askName } });
  });
  tool("test_input_required_result_sampling", ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, "capital_question");
    if (answer.kind === "sampling") return toTextResult(`Answer: ${JSON.stringify(answer.result.content)}`);
    return inputRequired({ inputRequests: { capital_question: askModel("What is the capital of France?") } });
  });
  tool("test_input_required_result_list_roots", ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, "client_roots");
    if (answer.kind === "roots") return toTextResult(`Roots: ${answer.roots.map(({ uri }) => uri).join(", ")}`);
    return inputRequired({ inputRequests: { client_roots: askRoots } });
  });
  for (const name of ["test_input_required_result_request_state", "test_input_required_result_tampered_state"]) {
    tool(name, async ({ mcpReq }) =>
      mcpReq.requestState() !== undefined && mcpReq.inputResponses
        ? toTextResult("state-ok")
        : inputRequired({ inputRequests: { confirm: askConsent }, requestState: await state.mint({ step: 1 }) }),
    );
  }
  tool("test_input_required_result_multiple_inputs", async ({ mcpReq }) => {
    if (mcpReq.requestState() !== undefined && mcpReq.inputResponses) return toTextResult("All inputs received");
    const inputRequests = { user_name: askName, greeting: askModel("Generate a greeting"), client_roots: askRoots };
    return inputRequired({ inputRequests, requestState: await state.mint({ step: 1 }) });
  });
  tool("test_input_required_result_multi_round", async ({ mcpReq }) => {
    const last = Step.safeParse(mcpReq.requestState()).data?.step ?? 0;
    if (last === 2) return toTextResult("done");
    const step = last + 1;
    const question =
      step === 1 ? askText("Step 1: What is your name?", "name") : askText("Step 2: Your favorite color?", "color");
    return inputRequired({ inputRequests: { [`step${step}`]: question }, requestState: await state.mint({ step }) });
  });
  tool("test_input_required_result_capabilities", ({ mcpReq }) => {
    if (mcpReq.inputResponses) return toTextResult("ok");
    const capabilities = Envelope.safeParse(mcpReq.envelope).data?.[CLIENT_CAPABILITIES_META_KEY];
    const inputRequests = {
      ...(capabilities?.elicitation && { user_name: askName }),
      ...(capabilities?.sampling && { greeting: askModel("Generate a greeting") }),
    };
    return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : toTextResult("nothing to ask");
  });
}

/** Asks the user for these things. */
export function ask(
  message: string,
  properties: ElicitRequestFormParams["requestedSchema"]["properties"],
): InputRequest {
  const requestedSchema = { type: "object" as const, properties, required: Object.keys(properties) };
  return inputRequired.elicit({ message, requestedSchema });
}

function askModel(text: string): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text } }],
    maxTokens: 100,
  });
}
